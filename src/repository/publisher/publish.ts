import { chmod, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { failure } from '../../base/errors.ts';
import { exists, makeDirectory, readBounded, syncDirectory, writeFileAtomic } from '../../base/files.ts';
import { withLock } from '../../base/lock.ts';
import type { Progress } from '../../base/progress.ts';
import { MiB } from '../../base/size.ts';
import { type BlockIndex, encodeBlockIndex, prefixesOf } from '../../delta/block-index.ts';
import type { RowReader } from '../../delta/row-reader.ts';
import { sha256 } from '../../release/manifest.ts';
import { readRelease, type SignedRelease, verifyFiles } from '../../release/verify.ts';
import {
  type CatalogEntry,
  type ContentDescription,
  contentDirectory,
  contentFiles,
  contentNames,
  copiedFiles,
  type FileDescription,
  packName,
  sizeOfFrames,
} from '../catalog.ts';
import { compareVersions } from '../compare.ts';
import { digestRow, openReleaseRow } from '../release-row.ts';
import { readPublishingKeys, sha256Of } from '../signed-metadata.ts';
import { classedReleases, classify, writeBlockStore } from './block-store.ts';
import { writePack } from './pack.ts';
import { hostPrefixes, readPublished } from './published.ts';
import { type Restored, restoreRelease } from './restore.ts';
import { writeCatalog } from './write-catalog.ts';

/** Limit for the small files of a release, which hosts hold in memory. */
const smallFileLimit = 64 * MiB;

/** Number of the newest releases in the repository for which packs are made. */
const packedReleases = 4;

export interface PublishRequest {
  /** Directory of the built release. */
  readonly release: string;
  readonly repository: string;
  /** Directories of older releases to make packs from, in addition to those in the repository. */
  readonly from: readonly string[];
  /** The certificate, in PEM, whose key must have signed releases. */
  readonly certificate: string;
  /** HOLDFAST_HOME/keys/repository. */
  readonly keys: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface Publication {
  readonly digest: string;
  readonly version: string;
  /** Bytes of the block store, which is the whole release; `packs` has the bytes of each pack. */
  readonly blocks: number;
  readonly packs: readonly { readonly from: string; readonly size: number }[];
}

/**
 * Adds a release to a repository, or publishes it again with newer signatures. Published files stay
 * unchanged until the last file is written, which makes the whole publication effective at once.
 * @throws HoldfastError those of `readRelease` and `verifyFiles`; `repository.keys`,
 *   `repository.downgrade`.
 */
export async function publishRelease(request: PublishRequest): Promise<Publication> {
  const { repository, certificate, progress, signal } = request;
  const publishing = await readPublishingKeys(request.keys);
  const release = await readRelease(request.release, certificate);
  const older = await Promise.all(request.from.map((directory) => readRelease(directory, certificate)));
  await verifyFiles(release, certificate, progress, signal);
  await makeDirectory(repository);
  return withLock(join(repository, '.lock'), 'release publish', async () => {
    const published = await readPublished(repository);
    const others = published.releases.filter(({ digest }) => digest !== release.digest);
    const newest = others.at(-1);
    if (newest && compareVersions(release.manifest.version, newest.version) < 0) {
      throw failure('repository.downgrade', 'cannot publish: the repository has a newer release', {
        why: `it offers ${newest.version}, this release is ${release.manifest.version}`,
        next: 'build a newer release, or publish to another repository',
      });
    }
    const { description, content } = await offerContent(request, release, older, others);
    const entry = { digest: release.digest, version: release.manifest.version, content };
    await writeCatalog(repository, [...others, entry], {
      ...{ keys: request.keys, publishing, lastVersion: published.version },
    });
    return {
      digest: release.digest,
      version: release.manifest.version,
      blocks: sizeOfFrames(description.blocks),
      packs: description.packs.map(({ from, frames }) => ({ from, size: sizeOfFrames(frames) })),
    };
  });
}

/**
 * Creates the directory of a release, in a temporary directory next to its own.
 * @param others the other releases of the repository.
 */
async function offerContent(
  { repository, progress, signal }: PublishRequest,
  release: SignedRelease,
  older: readonly SignedRelease[],
  others: readonly CatalogEntry[],
): Promise<{ description: ContentDescription; content: FileDescription }> {
  const { digest, manifest, directory } = release;
  const places = join(repository, 'content', digest);
  await makeDirectory(places);
  const draft = await mkdtemp(join(places, '.draft-'));
  const scratch = await mkdtemp(join(places, '.older-'));
  const row = await openReleaseRow(directory, contentFiles(manifest));
  try {
    const prefixes = prefixesOf(await digestRow(row));
    const newestFirst = others.slice(-classedReleases).reverse();
    const known = await Promise.all(newestFirst.map((each) => hostPrefixes(repository, each)));
    const index = { classes: classify(prefixes, known), prefixes };
    const blocks = await progress.step('Compressing the release', (step) =>
      writeBlockStore(join(draft, contentNames.blocks), row, index, known.length, step, signal),
    );
    const packs: ContentDescription['packs'] = [];
    const makePack = async (from: Restored) => {
      const frames = await progress.step(`Making the pack from ${from.manifest.version}`, () =>
        packFrom(from, join(draft, packName(from.digest)), row, index, signal),
      );
      packs.push({ from: from.digest, frames });
    };
    for (const from of older) await makePack(from);
    for (const each of others.slice(-packedReleases)) {
      if (packs.some(({ from }) => from === each.digest)) continue;
      const restored = join(scratch, each.digest);
      await makePack(await restoreRelease(repository, each, restored));
      await rm(restored, { recursive: true });
    }
    const encoded = encodeBlockIndex(index);
    const description: ContentDescription = { format: 2, index: describeFile(encoded), blocks, packs };
    const described = Buffer.from(`${JSON.stringify(description)}\n`);
    const small = (name: string) => readBounded(join(directory, name), smallFileLimit);
    const files = {
      manifest: release.signed.manifest,
      signature: release.signed.signature,
      content: described,
      packages: await small(manifest.packages.name),
      overlays: await small(manifest.overlays.name),
      index: encoded,
    };
    for (const name of Object.keys(files) as (keyof typeof files)[])
      await writeFileAtomic(join(draft, contentNames[name]), files[name]);
    const content = describeFile(described);
    const place = join(repository, contentDirectory({ digest, content }));
    await chmod(draft, 0o755); // the web server runs as another user
    await syncDirectory(draft);
    if (!(await exists(place))) await rename(draft, place);
    await syncDirectory(places);
    return { description, content };
  } finally {
    await row.close();
    for (const each of [draft, scratch]) await rm(each, { recursive: true, force: true });
  }
}

function describeFile(bytes: Buffer): FileDescription {
  return { size: bytes.length, sha256: sha256.parse(sha256Of(bytes)) };
}

async function packFrom(
  from: Restored,
  path: string,
  row: RowReader,
  index: BlockIndex,
  signal: AbortSignal,
) {
  const old = {
    row: await openReleaseRow(from.directory, copiedFiles(from.manifest)),
    manifest: from.manifest,
  };
  try {
    return await writePack(path, old, row, index, signal);
  } finally {
    await old.row.close();
  }
}
