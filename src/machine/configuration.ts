import { basename, dirname } from 'node:path';
import * as z from 'zod';
import { describe, failure, isSystemError } from '../base/errors.ts';
import { readBounded, writeFileAtomic } from '../base/files.ts';
import type { Bytes } from '../base/size.ts';
import { sha256 } from '../release/manifest.ts';
import { ipeModes, logSizes, transports, verities } from './limits.ts';
import { isMachineName, type MachinePaths } from './paths.ts';

/** The only format that this program writes and reads. */
const currentFormat = 1;

/** Both slots may hold releases of updates. */
const updatesKept = 2;

const bytes = z
  .int()
  .positive()
  .transform((size) => size as Bytes);

/**
 * `machine.json`: the choices of the user for one machine. It contains nothing that can be derived: the slot
 * follows from the variable store, the power state from the processes, automatic start from the systemd unit.
 */
export const machineConfiguration = z.strictObject({
  format: z.literal(currentFormat),
  name: z.string().refine(isMachineName, 'is not a machine name'),
  /** Digest of the `release.json` whose base image backs the machine's disk. */
  release: sha256,
  cpus: z.int().positive(),
  /** Bytes. */
  memory: bytes,
  /** Size of the data partition. */
  dataSize: bytes,
  logSize: z.enum(logSizes),
  transport: z.enum(transports),
  /** Path of the host's TPM, if the guest may use it. */
  hostTpm: z.string().optional(),
  /** Whether the root is verified; applied at each start. */
  verity: z.enum(verities).default('on'),
  /** How the kernel enforces the integrity policy; applied at each start. */
  ipe: z.enum(ipeModes).default('audit'),
  /** Releases of updates that its slots may hold, the newest last. Which slot holds which follows from the disk. */
  updates: z.array(sha256).max(updatesKept).default([]),
  /** The source of updates: a URL, or the absolute path of a directory or a bundle. */
  repository: z.string().min(1).optional(),
  /** Latest epoch of a committed release: no release of an earlier epoch is installed again. */
  epoch: z.int().nonnegative().default(0),
  /** Health checks of an update, in addition to those that always run. */
  health: z
    .strictObject({
      /** Each must exit with 0 in the guest within the given seconds. They run as the user of the channel. */
      commands: z
        .array(z.strictObject({ argv: z.array(z.string()).min(1), seconds: z.int().positive().max(3600) }))
        .default([]),
      /** Names of root's containers that must be running. */
      containers: z.array(z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/)).default([]),
    })
    .default({ commands: [], containers: [] }),
  /**
   * Present if Data and Log are encrypted: identifies the machine's volume and recovery key, and opens neither
   * (data-keys.ts).
   */
  encryption: z.strictObject({ volume: sha256, recoveryKey: sha256 }).optional(),
  created: z.iso.datetime(),
});

export type MachineConfiguration = z.infer<typeof machineConfiguration>;

/**
 * Parses the content of `machine.json`.
 * @param path is named in errors.
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
      why: `its format is ${version.data.format}; this program supports ${currentFormat}`,
      next: 'use the newer Holdfast',
    });
  }
  const parsed = machineConfiguration.safeParse(value);
  if (!parsed.success) {
    throw damaged(path, describe(parsed.error));
  }
  return parsed.data;
}

function damaged(path: string, why: string) {
  return failure('machine.damaged', `cannot read the machine configuration ${path}`, {
    why,
    next: 'repair the file, or remove the machine and deploy it again',
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
