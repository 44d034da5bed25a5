import { spawnSync } from 'node:child_process';
import { type Dirent, existsSync, readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { isSystemError } from '../../src/base/errors.ts';
import { builtRelease, environment, expectDone, layout, program } from './machine.ts';

/**
 * Runs once before all test files (`node --test --test-global-setup`): no old machines, one release for all; and none of
 * the machines stays, however the run ends. A global teardown would not run, as the files are made to end
 * (`--test-force-exit`).
 */
export async function globalSetup(): Promise<void> {
  await removeMachines();
  process.once('exit', removeMachinesNow);
  console.log('building the release for the tests with machines, unless it stands');
  const startedAt = performance.now();
  console.log(`release: ${await builtRelease()}, ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
}

async function removeMachines(): Promise<void> {
  for (const name of await machineNames()) await expectDone(['remove', '--machine', name]);
}

function removeMachinesNow(): void {
  if (!existsSync(layout.machines)) return;
  for (const { name } of readdirSync(layout.machines, { withFileTypes: true }).filter(isMachine)) {
    spawnSync(program, ['remove', '--machine', name], {
      env: environment,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
}

async function machineNames(): Promise<string[]> {
  try {
    const entries = await readdir(layout.machines, { withFileTypes: true });
    return entries.filter(isMachine).map(({ name }) => name);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  }
}

function isMachine(entry: Dirent): boolean {
  return entry.isDirectory() && !entry.name.startsWith('.');
}
