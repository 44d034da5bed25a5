import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { digestOfFile } from '../base/file-digest.ts';
import { exists, readBounded } from '../base/files.ts';
import { requireOwnPath } from '../base/own-path.ts';
import { treeFiles } from '../base/tree-paths.ts';
import { isEarlier, type PackagePins } from './package-pins.ts';

/** What was unpacked, in the directory of the copy. */
const recordName = 'holdfast-package.json';
const recordLimit = 1024 * 1024;
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const record = z.strictObject({
  format: z.literal(1),
  version: z.string(),
  /** SHA-256 of each regular file by its path. */
  files: z.record(z.string(), digest),
});

/** Writes down what an unpacked package contains. */
export async function recordCopy(directory: string, version: string): Promise<void> {
  const files = await digestsOf(directory);
  await writeFile(join(directory, recordName), JSON.stringify({ format: 1, version, files }), {
    flush: true,
  });
}

/**
 * Returns whether the unpacked copy of a package can be used: it is as it was unpacked, and its version is known or not earlier than
 * the minimum. A copy of an earlier Holdfast has no record; then its programs must be those of a known version.
 * @throws HoldfastError `file.exposed` when another user could have replaced it.
 */
export async function isCopyGood(directory: string, pins: PackagePins): Promise<boolean> {
  if (!(await exists(directory))) return false;
  const found = await digestsOf(directory);
  for (const path of ['', ...Object.keys(found)]) await requireOwnPath(join(directory, path));
  const known = await readRecord(directory);
  const isSame = (programs: Readonly<Record<string, string>>) =>
    Object.entries(programs).every(([path, wanted]) => found[path] === wanted);
  if (!known) return Object.values(pins.versions).some(({ programs }) => isSame(programs));
  const pinned = pins.versions[known.version];
  if (pinned ? !isSame(pinned.programs) : await isEarlier(known.version, pins.least)) return false;
  return isSame(known.files) && Object.keys(found).length === Object.keys(known.files).length;
}

async function readRecord(directory: string): Promise<z.infer<typeof record> | undefined> {
  const path = join(directory, recordName);
  if (!(await exists(path))) return undefined;
  try {
    return record.parse(JSON.parse((await readBounded(path, recordLimit)).toString()));
  } catch {
    return undefined; // damaged: only a known version counts
  }
}

/** Returns the digests of all regular files but the record, by path. */
async function digestsOf(directory: string): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const path of await treeFiles(directory)) {
    if (path === recordName) continue;
    digests[path] = await digestOfFile(join(directory, path));
  }
  return digests;
}
