import { createReadStream, createWriteStream } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { describe, isSystemError, misuse } from './errors.ts';
import { run } from './process.ts';
import type { Progress } from './progress.ts';

/** One file of the archive: a copy of a file, or what `make` returns. */
export type ArchiveEntry =
  | {
      readonly name: string;
      readonly copy: string;
      /** Bytes: of a longer file the end is copied. Default: all. */
      readonly maximum?: number;
    }
  | { readonly name: string; readonly make: () => Promise<string | Uint8Array> };

/** What happened to an entry: `included`, `does not exist`, or `failed: ` and the reason. */
export interface ArchiveOutcome {
  readonly name: string;
  readonly outcome: string;
}

/**
 * Writes a tar.gz archive (mode 0600) of the listed entries and nothing else. An entry that fails
 * is recorded in the archive's `contents.txt` and does not stop the others: archives are needed
 * most when something is broken.
 * @param target replaced atomically.
 * @param directory the only directory at the top of the archive.
 * @throws HoldfastError `archive.target`.
 */
export async function writeArchive(
  target: string,
  directory: string,
  entries: readonly ArchiveEntry[],
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly ArchiveOutcome[]> {
  const path = resolve(target);
  const scratch = await makeScratch(path);
  try {
    const content = join(scratch, directory);
    await mkdir(content);
    const outcomes = await progress.step('Collecting logs', async (step) => {
      const collected: ArchiveOutcome[] = [];
      for (const entry of entries) {
        signal.throwIfAborted();
        step.note(entry.name);
        collected.push({ name: entry.name, outcome: await collect(entry, content) });
      }
      return collected;
    });
    const lines = outcomes.map(({ name, outcome }) => `${name}: ${outcome}\n`);
    await writeFile(join(content, 'contents.txt'), lines.join(''));
    const file = join(scratch, 'archive.tar.gz');
    await writeFile(file, '', { mode: 0o600 }); // tar keeps the mode of an existing file
    await run('tar', ['--create', '--gzip', '--file', file, '--directory', scratch, '--', directory], {
      signal,
    });
    await rename(file, path);
    return outcomes;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * Creates a directory next to the archive before anything is collected, so that an unwritable
 * target fails at once.
 */
async function makeScratch(path: string): Promise<string> {
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const cannot = (why: string, cause?: unknown) =>
    misuse('archive.target', `cannot write ${path}`, {
      why,
      next: 'name a file in an existing directory, such as ./logs.tar.gz',
      cause,
    });
  if (isDirectory) throw cannot('it is a directory');
  try {
    return await mkdtemp(join(dirname(path), '.archive-'));
  } catch (error) {
    throw cannot(describe(error), error);
  }
}

async function copyEnd(from: string, to: string, maximum: number): Promise<void> {
  const { size } = await stat(from);
  if (size <= maximum) await copyFile(from, to);
  else
    await pipeline(createReadStream(from, { start: size - maximum, end: size - 1 }), createWriteStream(to));
}

async function collect(entry: ArchiveEntry, directory: string): Promise<string> {
  const path = join(directory, entry.name);
  try {
    if ('copy' in entry) await copyEnd(entry.copy, path, entry.maximum ?? Number.POSITIVE_INFINITY);
    else await writeFile(path, await entry.make());
    return 'included';
  } catch (error) {
    if ('copy' in entry && isSystemError(error, 'ENOENT')) return 'does not exist';
    return `failed: ${describe(error)}`;
  }
}
