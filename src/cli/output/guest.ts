import * as z from 'zod';
import { overlays } from '../../release/overlay-content.ts';
import { base64Field, changedField, machineField } from './fields.ts';

export const execOutput = z.strictObject({
  exitCode: z
    .int()
    .min(0)
    .max(255)
    .describe('Exit code; 128 and the number of the signal that ended the command'),
  signal: z.string().optional().describe('Signal that ended the command, such as SIGTERM'),
  encoding: z
    .enum(['utf8', 'base64'])
    .describe('Encoding of stdout and stderr; base64 unless both are UTF-8'),
  stdout: z.string(),
  stderr: z.string(),
});

const place = z.strictObject({
  side: z.enum(['host', 'guest']),
  path: z.string().describe('As given; in the guest relative to the home directory of its user'),
});

export const copyOutput = z.strictObject({
  machine: machineField,
  source: place,
  destination: place,
  skipped: z
    .array(
      z.strictObject({
        path: z.string().describe('As printed; bytes that are not printable are escaped'),
        kind: z.enum(['link', 'device', 'pipe', 'socket']),
      }),
    )
    .describe('What was not copied: the first 1000'),
  skippedCount: z.int().describe('How much was not copied'),
});

export const logsOutput = z.union([
  z.strictObject({
    archive: z.string().describe('Path of the archive'),
    contents: z.array(
      z.strictObject({ name: z.string(), outcome: z.string().describe('Size, or why the part is missing') }),
    ),
  }),
  z.strictObject({ console: z.string().describe('A line of the console, of a guest that does not answer') }),
  z
    .looseObject({ __CURSOR: z.string(), __REALTIME_TIMESTAMP: z.string() })
    .describe('An entry of the journal, as journalctl --output=json prints it'),
]);

const rule = {
  service: z.string().describe('tcp/PORT, udp/PORT, a range of ports, icmp or icmpv6'),
  from: z.string().nullable().describe('Address or network; null: from anywhere'),
};
const comment = z.string().nullable();

export const firewallListOutput = z.strictObject({
  machine: machineField,
  rules: z.array(z.strictObject({ ...rule, comment })),
});

export const firewallAllowOutput = z.strictObject({
  machine: machineField,
  ...rule,
  comment,
  allowed: z.literal(true),
  changed: changedField,
});

export const firewallRemoveOutput = z.strictObject({
  machine: machineField,
  ...rule,
  allowed: z.literal(false),
  changed: changedField,
});

const entry = z.strictObject({
  type: z.enum(['file', 'directory', 'link', 'device', 'pipe', 'socket', 'whiteout']),
  mode: z.string().describe('Permission bits in octal'),
  user: z.int(),
  group: z.int(),
  size: z.int().optional().describe('Bytes of a file'),
  target: base64Field.optional().describe('Target of a symbolic link: its bytes in base64'),
});

export const overlayPathFields = {
  path: z.string().describe('As printed; bytes that are not printable are escaped'),
  overlay: z.enum(overlays).describe('Directory of the root that the path is in'),
  base64: base64Field.describe('Exact bytes of the path below that directory'),
};

export const driftOutput = z.strictObject({
  machine: machineField,
  changed: changedField.optional().describe('With --reset: false if everything was already as requested'),
  drift: z.array(
    z.strictObject({
      ...overlayPathFields,
      change: z.enum(['added', 'changed', 'attributes', 'replaced', 'deleted', 'opaque', 'copied']),
      released: entry.optional().describe('What the release has; absent if it has nothing there'),
      now: entry.optional().describe('What the machine has; absent if it was deleted'),
      hidden: z.int().optional().describe('How many files of the release an opaque directory hides'),
      pending: z.boolean().describe('Whether it is reset at the next start'),
    }),
  ),
});
