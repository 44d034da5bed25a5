import * as z from 'zod';
import { logSizes, transports, verities } from '../../machine/limits.ts';
import { protections } from '../../sandbox/protection.ts';
import { machineStates } from '../../supervisor/state.ts';
import {
  bootField,
  bytesField,
  changedField,
  digestField,
  machineField,
  phaseField,
  slotField,
  versionField,
} from './fields.ts';

const hardware = {
  cpus: z.int().positive(),
  memory: bytesField,
  dataSize: bytesField.describe('Size of the data partition in bytes'),
};

const transport = z.enum(transports).describe('How the host connects to the guest');
const recoveryKey = z.string().describe('The recovery key of the encrypted data, which is shown only once');
const running = z.literal('running').describe('Power state of the machine');

export const deployOutput = z.strictObject({
  machine: machineField,
  state: running,
  boot: bootField,
  ...hardware,
  logSize: z.enum(logSizes).describe('Size of the log partition'),
  transport,
  dataEncrypted: z.boolean().describe('Whether data and logs are encrypted'),
  recoveryKey: recoveryKey.optional(),
});

export const startOutput = z.strictObject({
  machine: machineField,
  state: running,
  boot: bootField,
  changed: changedField,
});

export const stopOutput = z.strictObject({
  machine: machineField,
  state: z.literal('stopped').describe('Power state of the machine'),
  changed: changedField,
});

export const setOutput = z.strictObject({
  machine: machineField,
  changed: changedField,
  ...hardware,
  repository: z
    .string()
    .optional()
    .describe('Source of updates, without user, password and query; absent if none is set'),
});

export const autostartOutput = z.strictObject({
  machine: machineField,
  autostart: z.boolean().describe('Whether the machine starts when the host boots'),
  changed: changedField,
});

export const removeOutput = z.strictObject({ machine: machineField, changed: changedField });

export const recoveryOutput = z.union([
  z.strictObject({ machine: machineField, recoveryKey }),
  z.strictObject({
    machine: machineField,
    state: running,
    boot: bootField,
    tpmOpens: z.boolean().describe('Whether the TPM of the machine unlocks the data at the next start'),
  }),
]);

const use = z.strictObject({
  size: bytesField,
  used: bytesField,
  usedPercent: z.number().describe('Percentage of what users can have'),
  isFull: z.boolean().describe('Whether nothing more can be written'),
});

const guest = z
  .strictObject({
    release: versionField,
    slot: slotField,
    uptime: z.number().describe('Seconds since the kernel started'),
    memory: z.strictObject({ total: bytesField, available: bytesField }),
    data: use.describe('Use of the data partition'),
    logs: use.describe('Use of the log partition'),
    rootHash: digestField.describe('dm-verity root hash of the root'),
    verity: z.enum(['verified', 'corrupted', 'off']).describe('State of dm-verity for the root'),
    secureBoot: z.boolean(),
    lockdown: z.enum(['none', 'integrity', 'confidentiality']).describe('Lockdown mode of the kernel'),
    addresses: z.array(z.string()).describe('Global IPv4 and IPv6 addresses'),
    degraded: z.array(z.string()).describe('Parts that the initrd could not set up; one sentence each'),
    users: z.array(z.string()).describe('Why users cannot log in or become root; one sentence each'),
    ignored: z.array(z.string()).describe('Files of users that have no effect; one sentence each'),
    asReleased: z.boolean().describe('Whether it was started without anything that it has kept'),
  })
  .describe('Report of the guest; absent while it does not answer');

export const statusOutput = z.strictObject({
  machine: machineField,
  state: z.enum(machineStates).describe('Power state of the machine'),
  release: versionField
    .optional()
    .describe('Version of the running release; if the machine is off, of the one that it was deployed from'),
  slot: slotField.optional().describe('Active slot; if the machine is off, the slot that will be booted'),
  phase: phaseField.optional(),
  verifiedBoot: z
    .boolean()
    .optional()
    .describe(
      'Whether the guest reports verified boot from firmware to root; absent while it does not answer',
    ),
  ...hardware,
  dataEncrypted: z.boolean().describe('Whether data and logs are encrypted'),
  recoveryKeyShown: z.boolean().describe('Whether the recovery key of encrypted data was shown'),
  transport,
  verity: z.enum(verities).describe('Whether the next start verifies the root'),
  autostart: z.boolean().describe('Whether the machine starts when the host boots'),
  pid: z.int().positive().optional().describe('Process ID of the hypervisor'),
  accelerator: z.string().optional().describe('kvm, or tcg for emulation'),
  programs: z
    .array(
      z.strictObject({
        program: z.string().describe('QEMU, vhost-device-vsock or swtpm'),
        pid: z.int().positive().optional().describe('Process ID; absent if it has ended unexpectedly'),
        isStopped: z.literal(true).optional().describe('Present if a signal has stopped it'),
        missing: z
          .array(z.enum(protections))
          .describe('Protections of the host that it runs without; empty if it is confined'),
      }),
    )
    .describe('Programs of the running machine that parse what its guest sends'),
  guest: guest.optional(),
  guestProblem: z.string().optional().describe('Why a running guest does not answer'),
  problem: z
    .string()
    .optional()
    .describe('What firmware, kernel or initrd reported, or why starting was given up'),
  lastCrash: z
    .strictObject({ time: z.iso.datetime(), reason: z.string().describe('Untrusted text of the guest') })
    .optional()
    .describe('Last end of the machine that nobody asked for; absent if there was none'),
  endsWith: z
    .string()
    .optional()
    .describe('Service of the host whose end shuts the machine down; absent if there is none'),
});

export const listOutput = z.strictObject({ machines: z.array(statusOutput) });
