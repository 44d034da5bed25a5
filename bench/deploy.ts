import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../src/base/process.ts';
import { MiB } from '../src/base/size.ts';
import { removeMachine } from '../src/lifecycle/remove.ts';
import { Machine } from '../src/machine/machine.ts';
import { parseMachineName } from '../src/machine/paths.ts';
import { type Bench, type Comparison, type Defer, timed } from './measure.ts';
import { builtRelease, createBenchMachine, deployOnly, home } from './support/home.ts';

const runs = 7;

/**
 * Compares the deployment of a second machine from a release, without its start, with a copy of the release's raw image by
 * `cp`, which creates no keys, file systems or variable store. Holdfast is called inside a running program. Disk use is the
 * allocated size below HOLDFAST_HOME and of the copy.
 */
export const bench: Bench = { name: 'deploy', prepare };

async function prepare(defer: Defer): Promise<readonly Comparison[]> {
  const release = await builtRelease();
  const { configuration } = await createBenchMachine('bench-deploy-1', release, defer);
  const second = new Machine(home, parseMachineName('bench-deploy-2'));
  await removeMachine(second); // left by a killed benchmark
  defer(() => removeMachine(second).then(() => {}));
  const directory = await mkdtemp(join(home.machines, '.bench-'));
  defer(() => rm(directory, { recursive: true }));
  const copy = join(directory, 'copy.raw');

  const deployAnew = async () => {
    await removeMachine(second);
    return timed(() => deployOnly(second, release));
  };
  const copyAnew = async () => {
    await rm(copy, { force: true });
    return timed(() => run('cp', [join(home.releases, configuration.release, 'base.raw'), copy]));
  };
  const peerName = 'cp of the raw image';
  return [
    {
      ...{ name: 'time', unit: 'ms', target: 2000, targetOf: 'ours', runs },
      ...{ peerName, ours: deployAnew, peer: copyAnew },
    },
    {
      ...{ name: 'disk', unit: 'MB', target: 64, targetOf: 'ours', runs: 2, peerName },
      ours: () => growth(home.directory, () => removeMachine(second), deployAnew),
      peer: () => growth(directory, () => rm(copy, { force: true }), copyAnew),
    },
  ];
}

/** Returns the growth of the allocated size of a directory by `work`, after `clear`, in MB. */
async function growth(
  directory: string,
  clear: () => Promise<unknown>,
  work: () => Promise<unknown>,
): Promise<number> {
  await clear();
  const before = await allocated(directory);
  await work();
  return ((await allocated(directory)) - before) / MiB;
}

/** Returns the allocated bytes below a directory. */
async function allocated(directory: string): Promise<number> {
  const { stdout } = await run('du', ['--summarize', '--block-size=1', directory]);
  return Number.parseInt(stdout.toString(), 10);
}
