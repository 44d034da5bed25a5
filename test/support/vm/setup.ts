import { spawnSync } from 'node:child_process';
import { type Dirent, existsSync, readdirSync } from 'node:fs';
import { cp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError } from '../../../src/base/errors.ts';
import { makePrivateDirectory } from '../../../src/base/files.ts';
import { homeAt } from '../../../src/machine/paths.ts';
import {
  builtRelease,
  environment,
  expectDone,
  homes,
  lock,
  lockHome,
  home as ours,
  program,
} from './machine.ts';

/**
 * Prepares a run of test files with machines: removes old machines, and builds one release for all. No machine stays,
 * however the run ends: the exit of this process removes them.
 */
export async function globalSetup(): Promise<void> {
  const others = homes.filter((each) => each !== ours.directory);
  const locks = [lock, ...(await Promise.all(others.map(lockHome)))];
  for (const home of homes) await removeMachines(home);
  process.once('exit', () => {
    for (const home of homes) removeMachinesNow(home);
  });
  console.log('building the release for the tests with machines, if necessary');
  const startedAt = performance.now();
  console.log(`release: ${await builtRelease()}, ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
  for (const other of others) await shareRelease(other);
  for (const each of locks) await each.release();
}

/** Replaces the keys and the release with the same ones. */
async function shareRelease(home: string): Promise<void> {
  await rm(home, { recursive: true, force: true });
  await makePrivateDirectory(home);
  for (const part of ['keys', 'build'])
    await cp(join(ours.directory, part), join(home, part), { recursive: true, verbatimSymlinks: true });
}

async function removeMachines(home: string): Promise<void> {
  for (const name of await machineNames(home))
    await expectDone(['remove', '--yes', '--machine', name], { env: { HOLDFAST_HOME: home } });
}

function removeMachinesNow(home: string): void {
  const { machines } = homeAt(home);
  if (!existsSync(machines)) return;
  for (const { name } of readdirSync(machines, { withFileTypes: true }).filter(isMachine)) {
    spawnSync(program, ['remove', '--yes', '--machine', name], {
      env: { ...environment, HOLDFAST_HOME: home },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
}

async function machineNames(home: string): Promise<string[]> {
  try {
    const entries = await readdir(homeAt(home).machines, { withFileTypes: true });
    return entries.filter(isMachine).map(({ name }) => name);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  }
}

function isMachine(entry: Dirent): boolean {
  return entry.isDirectory() && !entry.name.startsWith('.');
}
