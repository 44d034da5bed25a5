import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../src/base/process.ts';
import { readIdentity } from '../src/channel/keys.ts';
import type { Identity } from '../src/channel/session.ts';
import type { MachineHardware, MachineRunner, RunningMachine } from '../src/hypervisor/hypervisor.ts';
import type { MachineConfiguration } from '../src/machine/configuration.ts';
import { forgetKeys, keptKeys } from '../src/machine/data-keys.ts';
import { pathsIn } from '../src/machine/paths.ts';
import { user } from '../src/release/build/recipe.ts';
import { storedBaseImage, storedManifest } from '../src/release/store.ts';
import { machineHardware } from '../src/supervisor/hardware.ts';
import { hostHypervisor } from '../src/supervisor/host-hypervisor.ts';
import { makeVirtualTpm } from '../src/tpm/virtual/virtual-tpm.ts';
import { type PlainDebian, plainDebian } from './boot/plain-debian.ts';
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
  // the supervisor does this before a first start
  for (const { tpm } of [files, sealed.files]) await makeVirtualTpm(tpm);

  const ours = machineHardware(files, configuration, storedBaseImage(home, configuration.release));
  const peer = await debianHardware(debian, configuration, defer);
  const ourIdentity = await readIdentity(files.secrets, user.name);
  const sealedIdentity = await readIdentity(sealed.files.secrets, user.name);
  const peerIdentity = await readIdentity(debian.secrets, 'root');
  const recorder = new BootRecorder(defer);
  return comparisons(recorder, {
    ours: () => recorder.boot('ours', ours, ourIdentity),
    peer: () => recorder.boot('peer', peer, peerIdentity),
    withoutTpm: () => recorder.boot('without a TPM', { ...ours, tpm: undefined }, ourIdentity),
    /** The uncounted first run encrypts the data; in the others the TPM unlocks it. */
    sealed: async () => {
      const hardware = machineHardware(
        sealed.files,
        sealed.configuration,
        storedBaseImage(home, sealed.configuration.release),
        await keptKeys(sealed.files.secrets),
      );
      const total = await recorder.boot('encrypted', hardware, sealedIdentity);
      await forgetKeys(sealed.files.secrets);
      return total;
    },
  });
}

/** Prepares a directory from which the plain Debian boots with the same hardware. */
async function debianHardware(
  debian: PlainDebian,
  configuration: MachineConfiguration,
  defer: Defer,
): Promise<MachineHardware> {
  const directory = await mkdtemp(join(home.machines, '.bench-'));
  defer(() => rm(directory, { recursive: true }));
  const files = pathsIn(directory);
  await makeVirtualTpm(files.tpm);
  const hardware = {
    ...machineHardware(files, configuration, debian.disk),
    name: 'plain-debian',
    credentials: {},
  };
  // as for Holdfast: an overlay for the machine's writes on a read-only image
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', debian.disk, hardware.disk]);
  await copyFile(debian.variables, hardware.variables);
  return hardware;
}

/** Boots machines, and records how long each phase took. */
class BootRecorder {
  readonly boots = {
    ours: [] as Timeline[],
    peer: [] as Timeline[],
    'without a TPM': [] as Timeline[],
    encrypted: [] as Timeline[],
  };
  readonly #host = hostHypervisor(home);
  #running: RunningMachine | undefined;

  constructor(defer: Defer) {
    defer(async () => this.#running?.kill());
  }

  async boot(
    side: keyof BootRecorder['boots'],
    hardware: MachineHardware,
    identity: Identity,
  ): Promise<number> {
    const hypervisor: MachineRunner = {
      ...this.#host,
      start: async (started) => {
        this.#running = await this.#host.start(started);
        return this.#running;
      },
    };
    const timeline = await measureBoot(hypervisor, hardware, identity);
    this.boots[side].push(timeline);
    return timeline.total;
  }
}

type Booted = Readonly<Record<'ours' | 'peer' | 'withoutTpm' | 'sealed', () => Promise<number>>>;

function comparisons(
  { boots }: BootRecorder,
  { ours, peer, withoutTpm, sealed }: Booted,
): readonly Comparison[] {
  return [
    {
      name: 'boot',
      peerName: 'a plain Debian with the same packages and kernel',
      unit: 'ms',
      target: 0.6,
      runs,
      ours,
      peer,
      notes: () => (['ours', 'peer'] as const).map((side) => phases(side, boots[side].slice(1))),
    },
    {
      name: 'tpm',
      peerName: 'the same machine without a TPM',
      unit: 'ms',
      target: 1.05,
      runs: tpmRuns,
      ours,
      peer: withoutTpm,
    },
    {
      name: 'encrypted data',
      peerName: 'the same machine without encryption',
      unit: 'ms',
      target: 1.15,
      runs,
      ours: sealed,
      peer: ours,
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
