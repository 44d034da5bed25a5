import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../src/base/process.ts';
import { readIdentity } from '../src/channel/keys.ts';
import type { Identity } from '../src/channel/session.ts';
import type { MachineHardware, MachineRunner, RunningMachine } from '../src/hypervisor/hypervisor.ts';
import { forgetKeys, keptKeys } from '../src/machine/data-keys.ts';
import { pathsIn } from '../src/machine/paths.ts';
import { user } from '../src/release/build/recipe.ts';
import { storedManifest } from '../src/release/store.ts';
import { machineHardware } from '../src/supervisor/hardware.ts';
import { hostHypervisor } from '../src/supervisor/host-hypervisor.ts';
import { makeVirtualTpm } from '../src/tpm/virtual/virtual-tpm.ts';
import { plainDebian } from './boot/plain-debian.ts';
import { measureBoot, type Timeline } from './boot/timeline.ts';
import { type Bench, type Comparison, type Defer, median } from './measure.ts';
import { builtRelease, cache, createBenchMachine, home } from './support/home.ts';

const runs = 3;
/** More runs, because the difference is smaller. */
const tpmRuns = 5;

/**
 * Compares a Holdfast machine with a plain Debian: same packages, kernel, QEMU and hardware, both reached over vsock by
 * the same client. Measures from the start of QEMU to the end of the first command. The uncounted first run of each is
 * the first boot, which sets the machine up.
 */
export const bench: Bench = { name: 'boot', prepare };

async function prepare(defer: Defer): Promise<readonly Comparison[]> {
  const { configuration, files } = await createBenchMachine('bench-boot', await builtRelease(), defer);
  const manifest = await storedManifest(home, configuration.release);
  const sealed = await createBenchMachine('bench-encrypted', await builtRelease(), defer, true);
  const debian = await plainDebian(cache, manifest?.kernel ?? '');

  const directory = await mkdtemp(join(home.machines, '.bench-'));
  defer(() => rm(directory, { recursive: true }));
  const ours = machineHardware(files, configuration);
  const peerFiles = pathsIn(directory);
  // the supervisor does this before a first start
  for (const { tpm } of [files, sealed.files, peerFiles]) await makeVirtualTpm(tpm);
  const peer: MachineHardware = {
    ...machineHardware(peerFiles, configuration),
    name: 'plain-debian',
    credentials: {},
  };
  let running: RunningMachine | undefined;
  const host = hostHypervisor(home);
  const hypervisor: MachineRunner = {
    ...host,
    start: async (hardware) => {
      running = await host.start(hardware);
      return running;
    },
  };
  defer(async () => running?.kill());
  // as for Holdfast: an overlay for the machine's writes on a read-only image
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', debian.disk, peer.disk]);
  await copyFile(debian.variables, peer.variables);

  const boots = {
    ours: [] as Timeline[],
    peer: [] as Timeline[],
    'without a TPM': [] as Timeline[],
    encrypted: [] as Timeline[],
  };
  const boot = async (side: keyof typeof boots, hardware: MachineHardware, identity: Identity) => {
    const timeline = await measureBoot(hypervisor, hardware, identity);
    boots[side].push(timeline);
    return timeline.total;
  };
  const ourIdentity = await readIdentity(files.secrets, user.name);
  const sealedIdentity = await readIdentity(sealed.files.secrets, user.name);
  /** The uncounted first run encrypts the data; in the others the TPM unlocks it. */
  const bootSealed = async () => {
    const { configuration: configured, files: own } = sealed;
    const hardware = machineHardware(own, configured, await keptKeys(own.secrets));
    const total = await boot('encrypted', hardware, sealedIdentity);
    await forgetKeys(own.secrets);
    return total;
  };
  const peerIdentity = await readIdentity(debian.secrets, 'root');
  return [
    {
      name: 'boot',
      peerName: 'a plain Debian with the same packages and kernel',
      unit: 'ms',
      target: 0.6,
      runs,
      ours: () => boot('ours', ours, ourIdentity),
      peer: () => boot('peer', peer, peerIdentity),
      notes: () => (['ours', 'peer'] as const).map((side) => phases(side, boots[side].slice(1))),
    },
    {
      name: 'tpm',
      peerName: 'the same machine without a TPM',
      unit: 'ms',
      target: 1.05,
      runs: tpmRuns,
      ours: () => boot('ours', ours, ourIdentity),
      peer: () => boot('without a TPM', { ...ours, tpm: undefined }, ourIdentity),
    },
    {
      name: 'encrypted data',
      peerName: 'the same machine without encryption',
      unit: 'ms',
      target: 1.15,
      runs,
      ours: bootSealed,
      peer: () => boot('ours', ours, ourIdentity),
    },
  ];
}

const shown: readonly (readonly [phase: keyof Timeline, text: string])[] = [
  ['firmware', 'firmware and loader'],
  ['kernel', 'kernel and initrd'],
  ['userSpace', 'user space'],
  ['processor', 'processor time of QEMU'],
];

function phases(side: string, boots: readonly Timeline[]): string {
  const middle = (phase: keyof Timeline) => median(boots.map((boot) => boot[phase])).toFixed(0);
  return `${side}: ${shown.map(([phase, text]) => `${text} ${middle(phase)} ms`).join(', ')}`;
}
