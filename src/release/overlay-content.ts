import { createHash } from 'node:crypto';
import { lstat, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { treePaths } from '../base/tree-paths.ts';
import { sha256 } from './manifest.ts';

/** The directories of the root with an overlay on Data. */
export const overlays = ['etc', 'home', 'root'] as const;
export type Overlay = (typeof overlays)[number];

/** Paths are bytes in Linux and text in JSON: one character is one byte. */
const bytes = z.string().regex(/^[^\0\u0100-\uffff]*$/u);

const attributes = {
  /** Relative to the overlay's directory; empty for the directory itself. */
  path: bytes.max(4096),
  /** The permission bits. */
  mode: z.int().min(0).max(0o7777),
  user: z.int().nonnegative(),
  group: z.int().nonnegative(),
};

/** One entry of a release in an overlay. Older releases have another word for a directory. */
const entry = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal(['directory', 'folder']).transform(() => 'directory' as const),
    ...attributes,
  }),
  z.strictObject({ type: z.literal('file'), ...attributes, size: z.int().nonnegative(), sha256 }),
  z.strictObject({ type: z.literal('link'), ...attributes, target: bytes }),
]);
export type ReleasedEntry = z.infer<typeof entry>;

/**
 * `overlays.json`: the content of a release where machines can change it. So a machine's changes can be compared with a release
 * that it does not have yet.
 */
export const overlayContent = z.strictObject({
  format: z.literal(1),
  etc: z.array(entry),
  home: z.array(entry),
  root: z.array(entry),
});
export type OverlayContent = z.infer<typeof overlayContent>;

/**
 * Lists the content of a release's root in its overlays.
 * @param root the tree that the image is made from.
 * @throws TypeError for a device, pipe or socket: a release has none there.
 */
export async function listOverlayContent(root: string): Promise<OverlayContent> {
  const list = async (name: Overlay) => {
    const paths = ['', ...(await treePaths(join(root, name)))];
    return Promise.all(paths.map((path) => describe(join(root, name), path)));
  };
  return { format: 1, etc: await list('etc'), home: await list('home'), root: await list('root') };
}

async function describe(directory: string, path: string): Promise<ReleasedEntry> {
  const full = join(directory, path);
  const found = await lstat(full);
  const common = {
    path: asBytes(path),
    mode: found.mode & 0o7777,
    user: found.uid,
    group: found.gid,
  };
  if (found.isDirectory()) return { type: 'directory', ...common };
  if (found.isSymbolicLink()) return { type: 'link', ...common, target: asBytes(await readlink(full)) };
  if (!found.isFile()) throw new TypeError(`${full} is neither a file, a directory nor a link`);
  const digest = createHash('sha256')
    .update(await readFile(full))
    .digest('hex');
  return { type: 'file', ...common, size: found.size, sha256: sha256.parse(digest) };
}

function asBytes(text: string): string {
  return Buffer.from(text).toString('latin1');
}
