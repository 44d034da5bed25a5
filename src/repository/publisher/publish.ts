import { chmod, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { failure } from '../../base/errors.ts';
import { exists, makeDirectory, readBounded, syncDirectory, writeFileAtomic } from '../../base/files.ts';
import { withLock } from '../../base/lock.ts';
import type { Progress } from '../../base/progress.ts';
import { MiB } from '../../base/size.ts';
import { type BlockIndex, encodeBlockIndex, prefixesOf } from '../../delta/block-index.ts';
import type { RowReader } from '../../delta/row-reader.ts';
import { readRelease, type SignedRelease, verifyFiles } from '../../release/verify.ts';
import {
  blocksName,
  type Catalog,
  type ContentDescription,
  catalogPath,
  contentDirectory,
  contentFiles,
  copiedFiles,
  packName,
  targetPaths,
} from '../catalog.ts';
import { compareVersions } from '../compare.ts';
import { digestRow, openReleaseRow } from '../release-row.ts';
import { rootVersions } from '../root-metadata.ts';
import {
  readPublishingKeys,
  sha256Of,
  signMetadata,
  type Target,
  targetFilePath,
} from '../signed-metadata.ts';
import { classedReleases, classify, writeBlockStore } from './block-store.ts';
import { writePack } from './pack.ts';
import { type Published, readPublished } from './published.ts';
import { type Restored, restoreRelease } from './restore.ts';

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
  const keys = await readPublishingKeys(request.keys);
  const release = await readRelease(request.release, certificate);
  const older = await Promise.all(request.from.map((directory) => readRelease(directory, certificate)));
  await verifyFiles(release, certificate, progress, signal);
  await makeDirectory(repository);
  return withLock(join(repository, '.lock'), 'release publish', async () => {
    const published = await readPublished(repository);
    const others = published.catalog.releases.filter(({ digest }) => digest !== release.digest);
    const newest = others.at(-1);
    if (newest && compareVersions(release.manifest.version, newest.version) < 0) {
      throw failure('repository.downgrade', 'cannot publish: the repository has a newer release', {
        why: `it offers ${newest.version}, this release is ${release.manifest.version}`,
        next: 'build a newer release, or publish to another repository',
      });
    }
    const content = await offerContent(request, release, older, published);
    const releases = [...others, { digest: release.digest, version: release.manifest.version }];
    const targets = [...content.targets, jsonTarget(catalogPath, { format: 1, releases } satisfies Catalog)];
    for (const { path, bytes } of targets) {
      const file = join(repository, 'targets', targetFilePath(path, sha256Of(bytes)));
      await makeDirectory(dirname(file));
      await writeFileAtomic(file, bytes);
    }
    const unchanged = published.targets.filter(({ path }) => !targets.some((each) => each.path === path));
    await makeDirectory(join(repository, 'metadata'));
    for (const { version, path } of await rootVersions(request.keys))
      await writeFileAtomic(
        join(repository, 'metadata', `${version}.root.json`),
        await readBounded(path, MiB),
      );
    for (const { name, bytes } of signMetadata([...unchanged, ...targets], keys, published.version))
      await writeFileAtomic(join(repository, 'metadata', name), bytes);
    const { blocks, packs } = content.description;
    const sizeOf = (frames: readonly { size: number }[]) => frames.reduce((sum, { size }) => sum + size, 0);
    return {
      digest: release.digest,
      version: release.manifest.version,
      blocks: sizeOf(blocks),
      packs: packs.map(({ from, frames }) => ({ from, size: sizeOf(frames) })),
    };
  });
}

/**
 * Creates the files outside `targets/` in a temporary directory next to their own, and lists the
 * targets of the release.
 */
async function offerContent(
  { repository, progress, signal }: PublishRequest,
  release: SignedRelease,
  older: readonly SignedRelease[],
  published: Published,
): Promise<{ description: ContentDescription; targets: Target[] }> {
  const { digest, manifest, directory } = release;
  const places = join(repository, 'content', digest);
  await makeDirectory(places);
  const draft = await mkdtemp(join(places, '.draft-'));
  const scratch = await mkdtemp(join(places, '.older-'));
  const row = await openReleaseRow(directory, contentFiles(manifest));
  try {
    const prefixes = prefixesOf(await digestRow(row));
    const known = published.hostPrefixes(classedReleases, digest);
    const index = { classes: classify(prefixes, known), prefixes };
    const blocks = await progress.step('Compressing the release', (step) =>
      writeBlockStore(join(draft, blocksName), row, index, known.length, step, signal),
    );
    const packs: ContentDescription['packs'] = [];
    const makePack = async (from: Restored) => {
      const frames = await progress.step(`Making the pack from ${from.manifest.version}`, () =>
        packFrom(from, join(draft, packName(from.digest)), row, index, signal),
      );
      packs.push({ from: from.digest, frames });
    };
    for (const from of older) await makePack(from);
    const others = published.catalog.releases.filter((each) => each.digest !== digest);
    for (const each of others.slice(-packedReleases)) {
      if (packs.some(({ from }) => from === each.digest)) continue;
      const restored = join(scratch, each.digest);
      await makePack(await restoreRelease(repository, published, each.digest, restored));
      await rm(restored, { recursive: true });
    }
    const description: ContentDescription = { format: 1, blocks, packs };
    const described = jsonTarget(targetPaths(digest).content, description);
    const place = join(repository, contentDirectory(digest, sha256Of(described.bytes)));
    await chmod(draft, 0o755); // the web server runs as another user
    await syncDirectory(draft);
    if (!(await exists(place))) await rename(draft, place);
    await syncDirectory(places);
    const paths = targetPaths(digest);
    const small = (name: string) => readBounded(join(directory, name), smallFileLimit);
    const targets: Target[] = [
      { path: paths.manifest, bytes: release.signed.manifest },
      { path: paths.signature, bytes: release.signed.signature },
      { path: paths.packages, bytes: await small(manifest.packages.name) },
      { path: paths.overlays, bytes: await small(manifest.overlays.name) },
      { path: paths.index, bytes: encodeBlockIndex(index) },
      described,
    ];
    return { description, targets };
  } finally {
    await row.close();
    for (const each of [draft, scratch]) await rm(each, { recursive: true, force: true });
  }
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

function jsonTarget(path: string, value: object): Target {
  return { path, bytes: Buffer.from(`${JSON.stringify(value)}\n`) };
}
