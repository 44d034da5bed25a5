import { copyFile, cp, mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory } from '../src/base/files.ts';
import { silent } from '../src/base/progress.ts';
import { trustedCertificate } from '../src/release/store.ts';
import { readRelease, type SignedRelease } from '../src/release/verify.ts';
import { copiedFiles } from '../src/repository/catalog.ts';
import { fetchRelease, withFetching } from '../src/repository/client/fetch-release.ts';
import { readOffer } from '../src/repository/client/offer.ts';
import { publishRelease } from '../src/repository/publisher/publish.ts';
import { initKeys, trustedRootPath } from '../src/repository/root-metadata.ts';
import { openSource } from '../src/repository/source/open.ts';
import { counted } from './delta/counted.ts';
import { releasePair } from './delta/pair.ts';
import { casync, type Images, rauc, zchunk, zstdPatch } from './delta/peers.ts';
import type { Bench, Comparison, Defer } from './measure.ts';
import { cache, home } from './support/home.ts';

const MB = 1_000_000;

/**
 * Compares the bytes of a security update of openssl, curl and tzdata. Holdfast's value counts everything read from the
 * repository, including signed metadata, boot images and SBOM; the peers' values are for the root image only.
 */
export const bench: Bench = { name: 'delta', prepare };

async function prepare(defer: Defer): Promise<readonly Comparison[]> {
  const pair = await releasePair();
  await makePrivateDirectory(cache);
  const directory = await mkdtemp(join(cache, 'delta-'));
  defer(() => rm(directory, { recursive: true }));
  const certificate = trustedCertificate({ keys: pair.keys, releases: home.releases });
  const older = await readRelease(pair.older, certificate);
  const newer = await readRelease(pair.newer, certificate);
  const images: Images = {
    older: await dataOf(older, join(directory, 'older.img')),
    newer: await dataOf(newer, join(directory, 'newer.img')),
    scratch: directory,
  };
  const keys = join(directory, 'keys');
  await initKeys({ directory: keys, rootKeys: keys }, 1, 1);
  const [plain, packed] = [join(directory, 'plain'), join(directory, 'packed')];
  const publish = (release: string, repository: string) =>
    publishRelease({
      ...{ release, repository, from: [], certificate, keys, progress: silent },
      signal: new AbortController().signal,
    });
  for (const release of [pair.older, pair.newer]) await publish(release, packed);
  await cp(packed, plain, { recursive: true });
  const files = await readdir(plain, { recursive: true });
  for (const name of files.filter((each) => /\/from-[^/]*$/.test(each))) await rm(join(plain, name));
  const trust = {
    certificate,
    firstRoot: trustedRootPath(keys),
    metadata: join(directory, 'metadata'),
    knownTime: 0,
  };
  const fetched = (repository: string) => update(repository, older, trust, join(directory, 'host'));
  // without a pack, as for updates from the fifth newest or older releases, or from an unpublished one
  const anyToAny = once(() => fetched(plain));
  const common = { unit: 'MB', runs: 1 };
  const against = { ...common, target: 0.5, ours: anyToAny };
  return [
    { ...against, name: 'any-to-any-zchunk', peerName: 'zchunk', peer: once(() => inMB(zchunk(images))) },
    { ...against, name: 'any-to-any-casync', peerName: 'casync', peer: once(() => inMB(casync(images))) },
    {
      ...against,
      name: 'any-to-any-rauc',
      peerName: 'the least that RAUC adaptive can fetch',
      peer: once(() => inMB(rauc(images))),
    },
    {
      ...{ ...common, name: 'pack', peerName: 'zstd --patch-from', target: 1.25 },
      ours: once(() => fetched(packed)),
      peer: once(() => inMB(zstdPatch(images))),
    },
  ];
}

async function dataOf({ directory, manifest: { root } }: SignedRelease, path: string): Promise<string> {
  await copyFile(join(directory, root.name), path);
  await truncate(path, root.dataSize);
  return path;
}

/** Updates a host that has the older release and no metadata of the repository. @returns the megabytes read. */
async function update(
  repository: string,
  older: SignedRelease,
  trust: Parameters<typeof readOffer>[1],
  directory: string,
): Promise<number> {
  await rm(trust.metadata, { recursive: true, force: true });
  const { source, total } = counted(await openSource(repository));
  const { signal } = new AbortController();
  const parts = copiedFiles(older.manifest).map(({ name, size }) => {
    return { path: join(older.directory, name), offset: 0, size };
  });
  const offer = await readOffer(source, trust, signal);
  const old = async () => [{ digest: older.digest, manifest: older.manifest, parts }];
  await withFetching(directory, () =>
    fetchRelease({ source, offer, trust, directory, old, progress: silent, signal }),
  );
  await rm(directory, { recursive: true });
  return total() / MB;
}

/** Runs a slow measurement once, as the bytes do not vary. */
function once(work: () => Promise<number>): () => Promise<number> {
  let result: Promise<number> | undefined;
  return () => {
    result ??= work();
    return result;
  };
}

async function inMB(bytes: Promise<number>): Promise<number> {
  return (await bytes) / MB;
}
