import { once } from 'node:events';
import { resolve } from 'node:path';
import { failure } from '../src/base/errors.ts';
import { exists } from '../src/base/files.ts';
import { start, started } from '../src/base/process.ts';
import { quoteCommand } from '../src/base/shell-quote.ts';
import { report } from '../src/cli/framework/report.ts';
import { showOn } from '../src/cli/terminal/progress.ts';
import { homeAt, homeDirectory, machinePaths, parseMachineName } from '../src/machine/paths.ts';
import { exampleImage } from './example-image.ts';

/**
 * Runs the commands that lead from a prepared checkout to a running machine with a container in it, and prints each. Steps
 * that an earlier run completed are skipped.
 */
async function quickstart(): Promise<void> {
  const home = homeAt(homeDirectory());
  const { configuration } = machinePaths(home, parseMachineName('default'));
  await holdfast('build');
  await holdfast((await exists(configuration)) ? 'start' : 'deploy');
  if ((await tryHoldfast('exec', '--', 'sudo', 'podman', 'image', 'exists', 'example')) !== 0) {
    const image = await progress.step('Making a container image', () => exampleImage(home));
    await holdfast('copy', image, ':/tmp/example.tar');
    await holdfast('exec', '--', 'sudo', 'podman', 'import', '/tmp/example.tar', 'example');
  }
  const greeting = 'echo "Hello from a container on $(/bin/busybox uname -sr)"';
  const container = ['sudo', 'podman', 'run', '--rm', '--network=none', 'example', 'sh', '-c', greeting];
  await holdfast('exec', '--', ...container);
  await holdfast('status');
}

/** Runs one command of `holdfast`, and prints it with its output. @throws HoldfastError `quickstart.step`. */
async function holdfast(...words: string[]): Promise<void> {
  const code = await tryHoldfast(...words);
  if (code !== 0) {
    throw failure('quickstart.step', `\`${quoteCommand('holdfast', words)}\` ended with ${code}`, {
      next: 'fix the error above, and run this again: it continues there',
    });
  }
}

/** Runs one command of `holdfast`, prints it with its output, and returns its exit code. */
async function tryHoldfast(...words: string[]): Promise<number> {
  process.stdout.write(`\n$ ${quoteCommand('holdfast', words)}\n`);
  const child = start(program, words, { stdio: 'inherit', env: environment });
  await started(child, program);
  const [code, signal] = await once(child, 'close');
  if (signal !== null) throw failure('quickstart.step', `holdfast was terminated by ${signal}`);
  return code;
}

const program = resolve(import.meta.dirname, '../bin/holdfast');
// without a terminal, steps are printed line by line
const environment = { HOLDFAST_PROGRESS: process.stderr.isTTY ? '' : 'plain', ...process.env };
const progress = showOn(process.stderr, environment);

try {
  await quickstart();
} catch (error) {
  process.exitCode = report(error, process.stderr, false);
}
