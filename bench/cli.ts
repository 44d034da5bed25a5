import { join } from 'node:path';
import { run } from '../src/base/process.ts';
import { type Bench, type Comparison, type Defer, timed } from './measure.ts';
import { builtRelease, createBenchMachine, holdfast, home, project } from './support/home.ts';

const runs = 40;

/**
 * Compares whole processes of `holdfast` with an empty one of the same Node.js: what a script in a loop pays for each call. `list` has
 * one machine, which is off. Uses the bundle, which it makes first.
 */
export const bench: Bench = { name: 'cli', prepare };

async function prepare(defer: Defer): Promise<readonly Comparison[]> {
  await createBenchMachine('bench-cli', await builtRelease(), defer);
  const node = join(project, 'node_modules/.bin/node');
  await run(node, [join(project, 'scripts/build-cli.ts')]);
  const peer = () => timed(() => run(node, ['-e', '0']));
  const ours = (...words: string[]) => timed(() => holdfast(home.directory, ...words));
  const comparison = { peerName: 'node -e 0', unit: 'ms', runs, peer };
  return [
    { ...comparison, name: 'help', target: 1.3, ours: () => ours('--help') },
    { ...comparison, name: 'list', target: 2, ours: () => ours('list') },
  ];
}
