import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { makePrivateDirectory } from '../../src/base/files.ts';
import { type RunResult, run } from '../../src/base/process.ts';
import { silent } from '../../src/base/progress.ts';
import { createMachine } from '../../src/lifecycle/create.ts';
import { removeMachine } from '../../src/lifecycle/remove.ts';
import { defaults } from '../../src/machine/limits.ts';
import { Machine } from '../../src/machine/machine.ts';
import { homeAt, parseMachineName } from '../../src/machine/paths.ts';
import type { Defer } from '../measure.ts';

/** Directory of files that take minutes to create and stay between runs. Not in /tmp, which is memory on many hosts. */
export const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'holdfast/bench');

/**
 * The HOLDFAST_HOME of the benchmarks, whatever the variable names: they remove releases and machines. Its release is built only
 * after changes.
 */
export const home = homeAt(join(cache, 'home'));

export const project = resolve(import.meta.dirname, '../..');
export const program = join(project, 'bin/holdfast');

/** Runs `holdfast` as a user would. @throws HoldfastError `process.failed`. */
export function holdfast(home: string, ...words: string[]): Promise<RunResult> {
  return run(program, words, { env: { ...process.env, HOLDFAST_HOME: home } });
}

/** Builds the release if necessary. @returns its directory. */
export async function builtRelease(): Promise<string> {
  await makePrivateDirectory(home.directory);
  const directory = join(home.directory, 'build');
  console.log(`building the release in ${directory} if necessary`);
  await holdfast(home.directory, 'build', '--out', directory);
  return directory;
}

/** Deploys a machine as `holdfast deploy` does by default, without starting it. Removed at the end of the benchmark. */
export async function createBenchMachine(name: string, release: string, defer: Defer, encryptData = false) {
  const machine = new Machine(home, parseMachineName(name));
  await removeMachine(machine); // left by a killed benchmark
  defer(() => removeMachine(machine).then(() => {}));
  const configuration = await deployOnly(machine, release, encryptData);
  return { machine, configuration, files: machine.paths };
}

/** Deploys a machine as `holdfast deploy` does before the start. */
export function deployOnly(machine: Machine, release: string, encryptData = false) {
  const signal = new AbortController().signal;
  return createMachine({
    ...{ machine, settings: defaults, encryptData, release },
    ...{ progress: silent, signal },
  });
}
