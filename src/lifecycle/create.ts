import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { failure } from '../base/errors.ts';
import { exists, makePrivateDirectory, syncDirectory } from '../base/files.ts';
import { withLock } from '../base/lock.ts';
import type { Progress } from '../base/progress.ts';
import { type Bytes, MiB } from '../base/size.ts';
import { requireSpace } from '../base/space.ts';
import { makeChannelKeys } from '../channel/keys.ts';
import { createMachineDisk } from '../disk/machine-disk.ts';
import { createVariableStore } from '../firmware/create.ts';
import { checkSocketPaths } from '../hypervisor/socket-paths.ts';
import { type MachineConfiguration, writeConfiguration } from '../machine/configuration.ts';
import { describeKeys, keepDataKeys, makeDataKeys } from '../machine/data-keys.ts';
import { checkSettings, hostResources, type MachineSettings } from '../machine/limits.ts';
import type { Machine } from '../machine/machine.ts';
import { draftPaths, type MachinePaths } from '../machine/paths.ts';
import { releaseUnused } from '../machine/unused-releases.ts';
import { certificateDer, keyPair } from '../release/keys.ts';
import { importRelease, type StoredRelease, trustedCertificate, withReleaseStore } from '../release/store.ts';
import { writeCredentials } from '../supervisor/hardware.ts';
import { hostHypervisor } from '../supervisor/host-hypervisor.ts';

export interface DeployRequest {
  readonly machine: Machine;
  readonly settings: MachineSettings;
  /** Whether the first start encrypts Data and Log. */
  readonly encryptData?: boolean;
  /** A release directory. */
  readonly release: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** The maximum space of a new machine on the host, in addition to its release. */
const machineRoom = (64 * MiB) as Bytes;

/**
 * Creates a machine. It is assembled in a draft directory, which becomes the machine's as the last step: an interrupted
 * deployment leaves no machine. The next deployment removes what a killed one left.
 * @throws AggregateError or HoldfastError for settings out of range; HoldfastError `machine.exists`, `home.too-long`,
 *   `lock.held`, `disk.full`, and those of `importRelease`.
 */
export async function createMachine(request: DeployRequest): Promise<MachineConfiguration> {
  const { home, name, paths } = request.machine;
  checkSettings(request.settings, hostResources());
  checkSocketPaths(paths.run);
  await makePrivateDirectory(home.machines);
  return withLock(paths.lock, 'deploy', async () => {
    if (await exists(paths.directory)) {
      throw failure('machine.exists', `the machine '${name}' exists already`, {
        why: `${paths.directory} exists`,
        next: 'choose another name with --machine, or remove that machine first',
      });
    }
    return withReleaseStore(home, `deploy of ${name}`, async () => {
      try {
        const release = await importRelease(request.release, home, request.progress, request.signal);
        await requireSpace(home.machines, machineRoom, 'the machine');
        return await request.progress.step('Creating the machine', () => assemble(request, release));
      } catch (error) {
        await rm(draftPaths(home, name).directory, { recursive: true, force: true });
        await releaseUnused(home);
        throw error;
      }
    });
  });
}

async function assemble(request: DeployRequest, release: StoredRelease): Promise<MachineConfiguration> {
  const { settings, signal } = request;
  const { home, name, paths } = request.machine;
  const draft = draftPaths(home, name);
  await rm(draft.directory, { recursive: true, force: true }); // its deployment is dead: this one holds the lock
  await mkdir(draft.directory, { mode: 0o700 });
  const keys = request.encryptData ? makeDataKeys() : undefined;
  const encryption = keys && describeKeys(keys);
  const parts = [
    makeChannelKeys(draft.secrets)
      .then(() => writeCredentials(draft.secrets, name, encryption))
      .then(() => keys && keepDataKeys(draft.secrets, keys)),
    createMachineDisk(hostHypervisor(home).images, {
      path: draft.disk,
      base: release.baseImage,
      encrypted: request.encryptData === true,
      ...settings,
    }),
    writeVariables(request, draft),
  ];
  await Promise.allSettled(parts); // none may still write when a failure removes the draft
  await Promise.all(parts);
  const { cpus, memory, dataSize, logSize, transport } = settings;
  const configuration: MachineConfiguration = {
    format: 1,
    name,
    release: release.digest,
    ...{ cpus, memory, dataSize, logSize, transport },
    verity: 'on',
    ipe: 'audit',
    updates: [],
    epoch: release.manifest.epoch,
    health: { commands: [], containers: [] },
    ...(encryption && { encryption }),
    created: new Date().toISOString(),
  };
  await writeConfiguration(draft.configuration, configuration);
  signal.throwIfAborted();
  await rename(draft.directory, paths.directory);
  await syncDirectory(home.machines);
  return configuration;
}

/** Writes variables for Secure Boot with this host's platform key and the release key; slot A, the only one with a release, boots. */
async function writeVariables(request: DeployRequest, draft: MachinePaths): Promise<void> {
  const { home } = request.machine;
  const platform = await keyPair(home.keys, 'platform');
  const owner = await certificateDer(platform.certificate);
  const release = await certificateDer(trustedCertificate(home));
  const template = await readFile(hostHypervisor(home).variablesTemplate);
  const store = createVariableStore(template, { pk: owner, kek: owner, db: release }, ['A']);
  await writeFile(draft.variables, store, { mode: 0o600, flush: true });
}
