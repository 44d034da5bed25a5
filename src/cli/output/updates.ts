import * as z from 'zod';
import { conflictKinds } from '../../update/conflicts.ts';
import {
  bytesField,
  changedField,
  digestField,
  machineField,
  packageChangesField,
  phaseField,
  slotField,
  versionField,
} from './fields.ts';
import { overlayPathFields } from './guest.ts';

const runningVersion = versionField.describe(
  'Version of the running release; if the machine is off, of the last that it was given',
);

export const updateCheckOutput = z.strictObject({
  machine: machineField,
  runningVersion,
  ageDays: z.int().nonnegative().describe('Days since the newest package source of the running release'),
  offeredVersion: versionField.describe('Version of the newest release that is offered'),
  isNewer: z.boolean().describe('Whether the offered release is newer than the running one'),
  packages: packageChangesField,
});

export const updateStatusOutput = z.strictObject({
  machine: machineField,
  phase: phaseField,
  committedSlot: slotField.optional().describe('The slot that the firmware boots'),
  runningSlot: slotField.optional().describe('The active slot; absent while the machine is off'),
  slots: z
    .strictObject({ A: versionField.optional(), B: versionField.optional() })
    .describe('Version of the complete release in each slot; absent if it holds none'),
  digests: z
    .strictObject({ A: digestField.optional(), B: digestField.optional() })
    .describe('Digest of the manifest of that release'),
});

const strategy = z
  .enum(['present', 'pack', 'ranges', 'full'])
  .describe('present: it is on this host; pack: a delta; ranges: the missing blocks; full: all blocks');

const preview = {
  machine: machineField,
  changed: z.literal(false),
  runningVersion,
  version: versionField.describe('Version of the requested release'),
  isThere: z.boolean().describe('Whether the requested release is already running'),
  phase: phaseField,
  fetch: z
    .strictObject({ strategy, bytes: bytesField.optional().describe('Expected bytes; absent if unknown') })
    .optional()
    .describe('How the release would be fetched; absent for a local directory'),
  packages: packageChangesField,
  conflicts: z
    .array(
      z.strictObject({
        ...overlayPathFields,
        kind: z.enum(Object.keys(conflictKinds) as (keyof typeof conflictKinds)[]),
      }),
    )
    .optional()
    .describe('Local files that hide changes of the release; absent while the machine is off'),
};

const result = {
  machine: machineField,
  changed: changedField,
  version: versionField.describe('Version of the requested release'),
  steps: z
    .array(
      z.enum(['start', 'retire', 'stage', 'compare', 'finalize', 'restart', 'judge', 'abandon', 'expire']),
    )
    .describe('Steps that were taken, in order'),
  written: bytesField.describe('Bytes written to the slot'),
  isRunning: z.boolean().describe('Whether the machine runs the release now'),
  strategy: strategy.optional().describe('How the release was fetched; absent for a local directory'),
  received: bytesField.optional().describe('Bytes received from the repository'),
  detours: z.array(z.string()).optional().describe('Why shorter strategies were not used'),
};

export const updateStageOutput = z.union([
  z.strictObject({ action: z.literal('stage'), ...result }),
  z.strictObject({ action: z.literal('stage'), ...preview }).describe('With --dry-run'),
]);

export const updateApplyOutput = z.union([
  z.strictObject({ action: z.literal('apply'), ...result }),
  z.strictObject({ action: z.literal('apply'), ...preview }).describe('With --dry-run'),
]);

export const updateCommitOutput = z.union([
  z.strictObject({ action: z.literal('commit'), ...result }),
  z
    .strictObject({ machine: machineField, action: z.literal('commit'), changed: z.literal(false) })
    .describe('No trial was in progress'),
]);

export const updateRollbackOutput = z.union([
  z.strictObject({ action: z.literal('rollback'), ...result }),
  z
    .strictObject({ machine: machineField, action: z.literal('rollback'), changed: z.literal(true) })
    .describe('A pending trial was cancelled'),
]);
