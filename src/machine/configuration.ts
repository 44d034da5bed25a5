import { basename, dirname } from 'node:path';
import { z } from 'zod';
import { describe, failure, isSystemError } from '../base/errors.ts';
import { readBounded, writeFileAtomic } from '../base/files.ts';
import type { Bytes } from '../base/size.ts';
import { sha256 } from '../release/manifest.ts';
import { ipeModes, logSizes, transports, verities } from './limits.ts';
import { isMachineName, type MachinePaths } from './paths.ts';

/** The format that this program writes, and the only one it reads. */
const currentFormat = 1;

/** Both slots may hold releases that came with updates. */
const updatesKept = 2;

const bytes = z
  .int()
  .positive()
  .transform((size) => size as Bytes);

/**
 * `machine.json`: what the user chose for one machine. What can be found out elsewhere is not here: the slot follows
 * from the variable store, the power state from the processes, automatic start from the systemd unit.
 */
export const machineConfiguration = z.strictObject({
  format: z.literal(currentFormat),
  name: z.string().refine(isMachineName, 'is not a machine name'),
  /** Digest of the `release.json` whose base image the machine's disk stands on. */
  release: sha256,
  cpus: z.int().positive(),
  /** Bytes. */
  memory: bytes,
  /** Bytes that the data partition shall have. */
  dataSize: bytes,
  logSize: z.enum(logSizes),
  transport: z.enum(transports),
  /** Path of the host's TPM, when the guest may use it. */
  hostTpm: z.string().optional(),
  /** Whether the root is verified. Heeded at each start. */
  verity: z.enum(verities).default('on'),
  /** Whether the kernel refuses what the integrity policy does not allow, or only tells. Heeded at each start. */
  ipe: z.enum(ipeModes).default('audit'),
  /** Other releases that its slots may hold, the newest last: what updates brought. Which slot holds which follows from the disk. */
  updates: z.array(sha256).max(updatesKept).default([]),
  /** Where updates come from: a URL, or the absolute path of a directory or a bundle. */
  repository: z.string().min(1).optional(),
  /** Latest epoch of a release that was committed, by the deployment or an update: none of an earlier one runs again. */
  epoch: z.int().nonnegative().default(0),
  /** What must be well before an update is committed, beside what is always looked at. */
  health: z
    .strictObject({
      /** Each must end with 0 in the guest, as the user of the channel, within so many seconds. */
      commands: z
        .array(z.strictObject({ argv: z.array(z.string()).min(1), seconds: z.int().positive().max(3600) }))
        .default([]),
      /** Names of containers of root's that must run. */
      containers: z.array(z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/)).default([]),
    })
    .default({ commands: [], containers: [] }),
  /**
   * Where Data and Log are encrypted: what tells the machine's own volume and recovery key from others, and opens neither
   * (data-keys.ts).
   */
  encryption: z.strictObject({ volume: sha256, recoveryKey: sha256 }).optional(),
  created: z.iso.datetime(),
});

export type MachineConfiguration = z.infer<typeof machineConfiguration>;

/**
 * Reads what `machine.json` holds.
 * @param path named in errors.
 * @throws HoldfastError `machine.format` when a newer program wrote it, `machine.damaged`.
 */
export function parseConfiguration(text: string, path: string): MachineConfiguration {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(path, describe(error));
  }
  const version = z.object({ format: z.int() }).safeParse(value);
  if (version.success && version.data.format > currentFormat) {
    throw failure('machine.format', `${path} was written by a newer Holdfast`, {
      why: `its format is ${version.data.format}; this program knows ${currentFormat}`,
      next: 'use the newer program',
    });
  }
  const parsed = machineConfiguration.safeParse(value);
  if (!parsed.success) {
    throw damaged(path, describe(parsed.error));
  }
  return parsed.data;
}

function damaged(path: string, why: string) {
  return failure('machine.damaged', `${path} cannot be read as a machine's configuration`, {
    why,
    next: 'mend the file, or remove the machine and deploy it again',
  });
}

/**
 * Reads `machine.json`.
 * @throws HoldfastError `machine.none` when there is no such machine, and those of `parseConfiguration`.
 */
export async function readConfiguration({
  configuration: path,
}: Pick<MachinePaths, 'configuration'>): Promise<MachineConfiguration> {
  let data: Buffer;
  try {
    data = await readBounded(path, 64 * 1024);
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
    throw failure('machine.none', `there is no machine '${basename(dirname(path))}'`, {
      why: `${path} does not exist`,
      next: 'run `holdfast deploy` to create it, or `holdfast list` to list the existing machines',
    });
  }
  return parseConfiguration(data.toString('utf8'), path);
}

/** Writes `machine.json` atomically. */
export async function writeConfiguration(path: string, configuration: MachineConfiguration): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(configuration, null, 2)}\n`, 0o600);
}
