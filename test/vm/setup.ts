import { readdir } from 'node:fs/promises';
import { isSystemError } from '../../src/base/errors.ts';
import { builtRelease, expectDone, layout } from './machine.ts';

/** Runs once before all test files (`node --test --test-global-setup`): no old machines, one release for all. */
export async function globalSetup(): Promise<void> {
  await removeMachines();
  console.log('building the release for the tests with machines, unless it stands');
  const startedAt = performance.now();
  console.log(`release: ${await builtRelease()}, ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
}

let removal: Promise<void> | undefined;

/** Runs after all test files, and twice when the run is cut off: no machine stays. */
export async function globalTeardown(): Promise<void> {
  removal ??= removeMachines();
  await removal;
}

async function removeMachines(): Promise<void> {
  for (const name of await machineNames()) await expectDone(['remove', '--machine', name]);
}

async function machineNames(): Promise<string[]> {
  try {
    const entries = await readdir(layout.machines, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map((entry) => entry.name);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  }
}
