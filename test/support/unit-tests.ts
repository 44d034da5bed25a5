import { globSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const directory = join(import.meta.dirname, '../unit');

/**
 * Imports one half of the unit tests: every other file. A process for each file would spend its time on loading the same
 * modules, and one process for all would leave a core idle. `test/unit/even.ts` and `test/unit/odd.ts` are one half each.
 */
export async function importHalf(half: 0 | 1): Promise<void> {
  const imported = Promise.withResolvers<void>();
  // No test starts before this one ends: hooks of a file would run as soon as the tests known by then have ended.
  test('imports the test files', () => imported.promise);
  const files = globSync('**/*.test.ts', { cwd: directory }).sort();
  for (const [index, file] of files.entries()) if (index % 2 === half) await import(join(directory, file));
  imported.resolve();
}
