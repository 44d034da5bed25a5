import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { start, started } from '../src/base/process.ts';
import { silent } from '../src/base/progress.ts';
import { pathsIn } from '../src/machine/paths.ts';
import { storedBaseImage, storedManifest, trustedCertificate } from '../src/release/store.ts';
import { readRelease } from '../src/release/verify.ts';
import { repositoryKeys } from '../src/repository/client/host-trust.ts';
import { publishRelease } from '../src/repository/publisher/publish.ts';
import { initKeys, rootVersions } from '../src/repository/root-metadata.ts';
import { machineHardware } from '../src/supervisor/hardware.ts';
import { makeVirtualTpm } from '../src/tpm/virtual/virtual-tpm.ts';
import { releasePair } from './delta/pair.ts';
import { type Bench, type Comparison, type Defer, timed } from './measure.ts';
import { createBenchMachine, holdfast, home, program } from './support/home.ts';
import { peakOf, startRauc } from './update/rauc.ts';

const name = 'bench-update';
const machine = ['--machine', name];

/**
 * Compares a security update of openssl, curl and tzdata, from a repository in a directory, with `rauc install` of the same
 * root image from a bundle on the guest's disk. Holdfast fetches the pack, assembles and verifies the release, writes it to
 * the inactive slot and reads that back. The slot is empty at first, so that both write the whole image.
 */
export const bench: Bench = { name: 'update', prepare };

async function prepare(defer: Defer): Promise<readonly Comparison[]> {
  const pair = await releasePair();
  const certificate = trustedCertificate({ keys: pair.keys, releases: home.releases });
  const newer = await readRelease(pair.newer, certificate);
  const directory = await mkdtemp(join(home.directory, '.bench-update-'));
  defer(() => rm(directory, { recursive: true }));
  const repository = await publish([pair.older, pair.newer], certificate, directory);

  const { configuration } = await createBenchMachine(name, pair.older, defer);
  const kernel = (await storedManifest(home, configuration.release))?.kernel ?? '';
  const peerDirectory = await mkdtemp(join(home.machines, '.bench-'));
  defer(() => rm(peerDirectory, { recursive: true }));
  const peerFiles = pathsIn(peerDirectory);
  await makeVirtualTpm(peerFiles.tpm); // the supervisor does this before a first start
  const hardware = machineHardware(peerFiles, configuration, storedBaseImage(home, configuration.release));
  const rauc = await startRauc(join(newer.directory, newer.manifest.root.name), hardware, kernel, defer);

  let memory = 0;
  const stageAnew = async () => {
    await holdfast(home.directory, 'remove', '--yes', ...machine);
    await rm(join(home.releases, newer.digest), { recursive: true, force: true });
    await holdfast(home.directory, 'deploy', ...machine, '--release', pair.older);
    return timed(async () => {
      memory = Math.max(memory, await peakOfCommand('update', 'stage', ...machine, '--from', repository));
    });
  };
  // alternate between the two releases, as either is a valid start
  let isOlder = true;
  const downtimeOfUpdate = async () => {
    const to = isOlder ? pair.newer : pair.older;
    isOlder = !isOlder;
    await holdfast(home.directory, 'update', 'stage', ...machine, '--from', to);
    return downtime(['update', 'apply', ...machine, '--from', to]);
  };
  return [
    {
      ...{ name: 'stage', peerName: 'rauc install', unit: 'ms', target: 0.5, runs: 2 },
      ours: stageAnew,
      peer: () => timed(() => rauc.install()),
    },
    {
      ...{ name: 'memory', peerName: "RAUC's service", unit: 'MB', target: 300, targetOf: 'ours', runs: 1 },
      ours: async () => memory,
      peer: () => rauc.memory(),
    },
    {
      ...{ name: 'downtime', peerName: 'a restart of the same machine', unit: 'ms', target: 1.1, runs: 2 },
      ours: downtimeOfUpdate,
      peer: () => downtime(['restart', ...machine]),
    },
  ];
}

/** Publishes these releases, with a pack between them, in a repository that this home trusts. */
async function publish(releases: readonly string[], certificate: string, directory: string): Promise<string> {
  const keys = repositoryKeys(home);
  const repository = join(directory, 'repository');
  if ((await rootVersions(keys)).length === 0) await initKeys({ directory: keys, rootKeys: keys }, 1, 1);
  const { signal } = new AbortController();
  for (const release of releases) {
    await publishRelease({ release, repository, from: [], certificate, keys, progress: silent, signal });
  }
  return repository;
}

/** Returns the peak memory of a run of `holdfast` in MB. @throws Error when it fails. */
async function peakOfCommand(...words: readonly string[]): Promise<number> {
  const child = start(program, words, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, HOLDFAST_HOME: home.directory },
  });
  await started(child, program);
  const exit = once(child, 'exit');
  let peak = 0;
  while (child.exitCode === null && child.signalCode === null) {
    // a process that has just ended has no memory
    const status = await readFile(`/proc/${child.pid}/status`, 'latin1').catch(() => '');
    if (status.includes('VmHWM')) peak = Math.max(peak, peakOf(status));
    await Promise.race([exit, sleep(20)]);
  }
  if (child.exitCode !== 0) throw new Error(`holdfast ${words.join(' ')} failed`);
  return peak;
}

/** Returns the milliseconds between the last and the next output of the guest while a command restarts it. */
async function downtime(words: readonly string[]): Promise<number> {
  const done = holdfast(home.directory, ...words);
  done.catch(() => {}); // handled below
  let last = 0;
  const child = start(program, ['exec', ...machine, '--', 'sh', '-c', 'while echo; do sleep 0.1; done'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, HOLDFAST_HOME: home.directory },
  });
  child.stdout?.on('data', () => {
    last = performance.now();
  });
  await once(child, 'exit');
  await Promise.race([done, firstAnswer()]);
  const took = performance.now() - last;
  await done;
  return took;
}

async function firstAnswer(): Promise<void> {
  for (;;) {
    const answer = await holdfast(home.directory, 'exec', ...machine, '--', 'true').catch(() => undefined);
    if (answer) return;
    await sleep(100);
  }
}
