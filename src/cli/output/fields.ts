import * as z from 'zod';

/*
 * The types of what commands print with `--json`: docs/reference/json is generated from them, the compiler
 * checks each `output.result` against that of its command, and tests validate every printed line. Only tests
 * and the generator load it. Fields are described here, not in the commands: `describe` becomes the schema's
 * description.
 */

export const machineField = z.string().describe('Name of the machine');
export const changedField = z.boolean().describe('False if everything was already as requested');
export const versionField = z.string().describe('Version of a release, such as 13.2.20261122');
export const digestField = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .describe('SHA-256 in lower-case hexadecimal digits');
export const bytesField = z.int().nonnegative().describe('Bytes');
export const slotField = z.enum(['A', 'B']).describe('A slot');
export const phaseField = z
  .enum(['committed', 'finalized', 'trial', 'degraded'])
  .describe(
    'committed: the committed slot is active, or will be at the next start; finalized: the next start is a trial; trial: the active slot is on trial; degraded: the committed slot does not boot, and the other one is active',
  );
export const bootField = z
  .enum(['running', 'degraded'])
  .describe('running: all services of the guest started; degraded: at least one failed');
export const base64Field = z.base64();
export const timeField = z.iso.datetime().describe('UTC, ISO 8601');

export const packageChangesField = z
  .array(
    z.strictObject({
      name: z.string(),
      from: z.string().optional().describe('Old version; absent if the package is new'),
      to: z.string().optional().describe('New version; absent if the package was removed'),
    }),
  )
  .describe('Packages that differ');
