import { globSync } from 'node:fs';
import { resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

/** The files that take minutes, longest first: begun early, they leave no core idle at the end. */
export const longest = [
  'update',
  'encrypt',
  'tamper',
  'management',
  'drift',
  'lifecycle',
  'audit',
  'attest',
  'firewall',
  'tcp',
  'verity',
].map((name) => `test/vm/${name}.test.ts`);

/** How long one test may take, and all tests of one file on a slow host: milliseconds. */
const testLimit = 600_000;
const fileLimit = 1_800_000;

/** Orders test files for a run of more than one at a time: those that take longest come first. */
export function longestFirst(files: readonly string[]): string[] {
  const first = longest.filter((file) => files.includes(file));
  return [...first, ...files.filter((file) => !first.includes(file)).sort()];
}

/** Runs test files, those with machines included, two at a time. */
if (import.meta.main) {
  const project = resolve(import.meta.dirname, '..');
  const files = globSync(process.argv.slice(2), { cwd: project });
  if (files.length === 0) throw new Error(`no test file matches ${process.argv.slice(2).join(' ')}`);
  const stopped = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort());
  const { globalSetup } = await import('../test/support/vm/setup.ts');
  await globalSetup();
  const results = run({
    cwd: project,
    files: longestFirst(files).map((file) => resolve(project, file)),
    concurrency: 2,
    timeout: fileLimit,
    execArgv: [`--test-timeout=${testLimit}`],
    forceExit: true,
    signal: stopped.signal,
  });
  results.on('test:fail', () => {
    process.exitCode = 1;
  });
  results.compose(new spec()).pipe(process.stdout);
}
