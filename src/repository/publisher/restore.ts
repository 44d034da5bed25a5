import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory } from '../../base/files.ts';
import { readsOf } from '../../base/read-ahead.ts';
import { decodeBlockIndex } from '../../delta/block-index.ts';
import { countBlocks } from '../../delta/content.ts';
import { decompressFrame } from '../../delta/frame-codec.ts';
import { blocksOfSlots, placeFrame } from '../../delta/rebuild.ts';
import { RowWriter } from '../../delta/row-writer.ts';
import { orderBlocks } from '../../delta/store-order.ts';
import type { ReleaseManifest, Sha256 } from '../../release/manifest.ts';
import { blockSize } from '../../verity/geometry.ts';
import {
  type CatalogEntry,
  contentDescription,
  contentDirectory,
  contentFiles,
  contentNames,
  parseSigned,
  slotsPerFrame,
} from '../catalog.ts';
import { readPublishedFile, readPublishedManifest } from './published.ts';

/** A release whose large files are in a directory. */
export interface Restored {
  readonly digest: Sha256;
  readonly manifest: ReleaseManifest;
  readonly directory: string;
}

/**
 * Restores the large files of a published release. The directory of its build rarely exists any
 * more, as the next build replaces it. These are the publisher's own files, so nothing is verified;
 * hosts detect a pack that does not match.
 * @param directory directory to create.
 * @throws HoldfastError `repository.malformed`, `delta.frame`; Node's system errors when files are
 *   missing.
 */
export async function restoreRelease(
  repository: string,
  entry: CatalogEntry,
  directory: string,
): Promise<Restored> {
  const manifest = await readPublishedManifest(repository, entry);
  const description = await readPublishedFile(repository, entry, 'content');
  const content = parseSigned(contentDescription, description, contentNames.content);
  const files = contentFiles(manifest);
  const index = decodeBlockIndex(await readPublishedFile(repository, entry, 'index'), countBlocks(files));
  const order = orderBlocks(index, slotsPerFrame);
  const repeated = blocksOfSlots(order);
  await makeDirectory(directory);
  const store = await open(join(repository, contentDirectory(entry), contentNames.blocks), 'r');
  try {
    const target = await RowWriter.create(directory, files);
    try {
      let offset = 0;
      for (const [number, { size }] of content.blocks.entries()) {
        const { firstSlot = 0, slots = 0 } = order.frames[number] ?? {};
        const bytes = await readsOf(store)(Buffer.alloc(size), offset);
        await placeFrame(await decompressFrame(bytes, slots * blockSize), firstSlot, order, repeated, target);
        offset += size;
      }
    } finally {
      await target.close();
    }
  } finally {
    await store.close();
  }
  return { digest: entry.digest, manifest, directory };
}
