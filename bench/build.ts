import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory } from '../src/base/files.ts';
import { run } from '../src/base/process.ts';
import { excludedPaths, packages, suite } from '../src/debian/recipe.ts';
import { findSources } from '../src/debian/sources.ts';
import { type Bench, type Comparison, type Defer, median, timed } from './measure.ts';
import { cache, holdfast } from './support/home.ts';

/**
 * Compares `holdfast build` from nothing (no keys, no cache, no release) with mmdebstrap alone: same packages, mirror and
 * excluded paths, into a directory. Then measures `holdfast build` without changes.
 */
export const bench: Bench = { name: 'build', prepare };

async function prepare(defer: Defer): Promise<readonly Comparison[]> {
  await makePrivateDirectory(cache);
  const directory = await mkdtemp(join(cache, 'build-'));
  defer(() => rm(directory, { recursive: true }));
  const { lines } = await findSources(undefined, directory);
  const home = join(directory, 'home');
  const tree = join(directory, 'tree');
  const options = [
    ...['--mode=root', '--variant=essential', '--format=directory', `--include=${packages.join(',')}`],
    '--aptopt=APT::Install-Recommends "false"',
    ...excludedPaths.map((path) => `--dpkgopt=path-exclude=${path}`),
  ];
  const peerTimes: number[] = [];
  return [
    {
      ...{ name: 'fresh', peerName: 'mmdebstrap alone', unit: 's', target: 1.5, runs: 2 },
      ours: async () => {
        await rm(home, { recursive: true, force: true });
        await mkdir(home, { mode: 0o700 });
        return seconds(() => holdfast(home, 'build'));
      },
      peer: async () => {
        await rm(tree, { recursive: true, force: true });
        const time = await seconds(() => run('mmdebstrap', [...options, suite, tree, ...lines]));
        peerTimes.push(time);
        return time;
      },
    },
    {
      ...{ name: 'unchanged', unit: 's', target: 5, targetOf: 'ours', runs: 3 },
      peerName: 'mmdebstrap alone, as measured before',
      ours: () => seconds(() => holdfast(home, 'build')),
      peer: () => Promise.resolve(median(peerTimes.slice(1))),
    },
  ];
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  return (await timed(work)) / 1000;
}
