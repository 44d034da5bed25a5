import { createHash } from 'node:crypto';
import { lstat, readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeScratchDirectory } from '../../base/files.ts';
import { run } from '../../base/process.ts';
import type { Progress } from '../../base/progress.ts';
import { treePaths } from '../../base/tree-paths.ts';
import { prefixesOf } from '../../delta/block-index.ts';
import { OldBlocks, unitsPerBlock } from '../../delta/old-blocks.ts';
import { countMissing, planRuns } from '../../delta/plan.ts';
import { readSmallFile } from '../../release/small-files.ts';
import { readRelease, type SignedRelease } from '../../release/verify.ts';
import { blockSize } from '../../verity/geometry.ts';
import { contentFiles, copiedFiles } from '../catalog.ts';
import {
  compareFiles,
  comparePackages,
  type FileChange,
  type FileList,
  type PackageChange,
} from '../compare.ts';
import { addRelease, digestRow, openReleaseRow } from '../release-row.ts';
import { writePack } from './pack.ts';

/** The differences between two releases. */
export interface ReleaseDiff {
  readonly packages: readonly PackageChange[];
  readonly files: readonly FileChange[];
  /** Bytes of blocks of the newer release that a host with the older one lacks. */
  readonly missing: number;
  /** Bytes of a pack from the older release to the newer one. */
  readonly pack: number;
}

/**
 * Compares the directories of two releases.
 * @param certificate certificate, in PEM, whose key must have signed both.
 * @throws HoldfastError those of `readRelease`.
 */
export async function diffReleases(
  directories: readonly [older: string, newer: string],
  certificate: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<ReleaseDiff> {
  const [older, newer] = [
    await readRelease(directories[0], certificate),
    await readRelease(directories[1], certificate),
  ];
  const packagesOf = ({ directory, manifest }: SignedRelease) =>
    readSmallFile(directory, manifest, 'packages');
  const [from, to] = [await packagesOf(older), await packagesOf(newer)];
  const scratch = await makeScratchDirectory('holdfast-diff-');
  try {
    const files = await progress.step('Comparing the files', async () =>
      compareFiles(
        await listFiles(older, join(scratch, 'older'), signal),
        await listFiles(newer, join(scratch, 'newer'), signal),
      ),
    );
    const sizes = await progress.step('Comparing the blocks', () =>
      measure(older, newer, join(scratch, 'pack'), signal),
    );
    return { packages: comparePackages(from, to), files, ...sizes };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * Lists the regular files and links of a root image. Needs no root privileges, as owners and
 * devices are ignored.
 */
async function listFiles(
  { directory, manifest }: SignedRelease,
  target: string,
  signal: AbortSignal,
): Promise<FileList> {
  const image = join(directory, manifest.root.name);
  await run('fsck.erofs', [`--extract=${target}`, '--no-preserve', image], { signal });
  const files = new Map<string, { size: number; content: string }>();
  for (const path of await treePaths(target)) {
    signal.throwIfAborted();
    const full = join(target, path);
    const entry = await lstat(full);
    if (entry.isSymbolicLink()) files.set(path, { size: 0, content: `link to ${await readlink(full)}` });
    if (!entry.isFile()) continue;
    const content = createHash('sha256')
      .update(await readFile(full))
      .digest('hex');
    files.set(path, { size: entry.size, content });
  }
  return files;
}

async function measure(older: SignedRelease, newer: SignedRelease, path: string, signal: AbortSignal) {
  const old = {
    row: await openReleaseRow(older.directory, copiedFiles(older.manifest)),
    manifest: older.manifest,
  };
  const row = await openReleaseRow(newer.directory, contentFiles(newer.manifest));
  try {
    const prefixes = prefixesOf(await digestRow(row));
    const index = { classes: new Uint8Array(row.units / unitsPerBlock), prefixes };
    const blocks = new OldBlocks();
    await addRelease(blocks, old.row, old.manifest);
    const missing = countMissing(planRuns(index, blocks)) * blockSize;
    const frames = await writePack(path, old, row, index, signal);
    return { missing, pack: frames.reduce((sum, { size }) => sum + size, 0) };
  } finally {
    await row.close();
    await old.row.close();
  }
}
