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
import {
  type HomeLayout,
  type MachineFiles,
  type MachineName,
  machineFiles,
  machineLayout,
} from '../machine/paths.ts';
import { releaseUnused } from '../machine/unused-releases.ts';
import { certificateDer, keyPair } from '../release/keys.ts';
import { importRelease, type StoredRelease, trustedCertificate, withReleaseStore } from '../release/store.ts';
import { writeCredentials } from '../supervisor/hardware.ts';
import { hostHypervisor } from '../supervisor/host-hypervisor.ts';

export interface DeployRequest {
  readonly name: MachineName;
  readonly settings: MachineSettings;
  /** Whether Data and Log are encrypted by the machine's first start. */
  readonly encryptData?: boolean;
  /** The directory that `build` made. */
  readonly release: string;
  readonly layout: HomeLayout;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** What a new machine takes on the host at most, besides its release. */
const machineRoom = (64 * MiB) as Bytes;

/**
 * Creates a machine: everything is made in a directory beside the machines and moved to its place as the last step, so that
 * an interrupted deployment leaves nothing that counts. What a killed one left is removed by the next.
 * @throws AggregateError or HoldfastError for settings out of range; HoldfastError `machine.exists`, `home.too-long`,
 *   `lock.held`, `disk.full`, and those of `importRelease`.
 */
export async function createMachine(request: DeployRequest): Promise<MachineConfiguration> {
  const { layout, name } = request;
  const files = machineLayout(layout, name);
  checkSettings(request.settings, hostResources());
  checkSocketPaths(files.run);
  await makePrivateDirectory(layout.machines);
  return withLock(files.lock, 'deploy', async () => {
    if (await exists(files.directory)) {
      throw failure('machine.exists', `there is a machine '${name}' already`, {
        why: `${files.directory} exists`,
        next: 'choose another name with --machine, or remove that machine first',
      });
    }
    return withReleaseStore(layout, `deploy of ${name}`, async () => {
      try {
        const release = await importRelease(request.release, layout, request.progress, request.signal);
        await requireSpace(layout.machines, machineRoom, 'the machine');
        return await request.progress.step('Creating the machine', () => assemble(request, release));
      } catch (error) {
        await rm(files.draft, { recursive: true, force: true });
        await releaseUnused(layout);
        throw error;
      }
    });
  });
}

async function assemble(request: DeployRequest, release: StoredRelease): Promise<MachineConfiguration> {
  const { layout, name, settings, signal } = request;
  const { directory, draft } = machineLayout(layout, name);
  const files = machineFiles(draft);
  await rm(draft, { recursive: true, force: true }); // we hold the machine's lock, so its maker is dead
  await mkdir(draft, { mode: 0o700 });
  const keys = request.encryptData ? makeDataKeys() : undefined;
  const encryption = keys && describeKeys(keys);
  const parts = [
    makeChannelKeys(files.secrets)
      .then(() => writeCredentials(files.secrets, name, encryption))
      .then(() => keys && keepDataKeys(files.secrets, keys)),
    createMachineDisk(hostHypervisor(layout).images, {
      path: files.disk,
      base: release.baseImage,
      encrypted: request.encryptData === true,
      ...settings,
    }),
    writeVariables(request, files),
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
  await writeConfiguration(files.configuration, configuration);
  signal.throwIfAborted();
  await rename(draft, directory);
  await syncDirectory(layout.machines);
  return configuration;
}

/** Secure Boot with this host's platform key and the key that signs releases; slot A, which alone has a release, boots. */
async function writeVariables(request: DeployRequest, files: MachineFiles): Promise<void> {
  const platform = await keyPair(request.layout.keys, 'platform');
  const owner = await certificateDer(platform.certificate);
  const release = await certificateDer(trustedCertificate(request.layout));
  const template = await readFile(hostHypervisor(request.layout).variablesTemplate);
  const store = createVariableStore(template, { pk: owner, kek: owner, db: release }, ['A']);
  await writeFile(files.variables, store, { mode: 0o600, flush: true });
}
