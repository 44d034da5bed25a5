import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { failure, type HoldfastError, isFailure } from '../../base/errors.ts';
import { makeDirectory, readBounded, writeFileAtomic } from '../../base/files.ts';
import { MiB } from '../../base/size.ts';
import type { FrameDescription } from '../catalog.ts';
import { sha256Of } from '../signed-metadata.ts';
import type { ByteRange, RepositorySource } from '../source/source.ts';

/** A large file of a repository that is fetched frame by frame. */
export interface FrameFile {
  /** Relative to the root of the repository. */
  readonly path: string;
  readonly frames: readonly FrameDescription[];
}

/** Number of consecutive interruptions without a complete frame after which fetching is aborted. */
const attemptLimit = 3;

/**
 * Stores fetched and verified frames, each in a file named by its digest, so that an interrupted
 * transfer can resume.
 */
export class FrameDirectory {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(directory: string): Promise<FrameDirectory> {
    await makeDirectory(directory, 0o700);
    return new FrameDirectory(directory);
  }

  /** Returns the digests of all stored frames. */
  async names(): Promise<ReadonlySet<string>> {
    return new Set(await readdir(this.#directory));
  }

  async add(sha256: string, bytes: Buffer): Promise<void> {
    await writeFileAtomic(join(this.#directory, sha256), bytes, 0o600);
  }

  /**
   * Reads a frame and verifies it again, in case the file was damaged on disk.
   * @throws HoldfastError `repository.frame`; the damaged file is removed, so that the next fetch
   *   retrieves it again.
   */
  async read({ size, sha256 }: FrameDescription): Promise<Buffer> {
    const path = join(this.#directory, sha256);
    const bytes = await readBounded(path, 16 * MiB);
    if (bytes.length === size && sha256Of(bytes) === sha256) return bytes;
    await rm(path);
    throw failure('repository.frame', 'previously fetched data is damaged on this host', {
      why: `${path} does not match its digest`,
      next: 'run the command again to fetch the data again',
    });
  }
}

/**
 * Fetches the frames that are not stored yet. Adjacent frames share a request; each frame is
 * verified as soon as it is complete. After an interruption, resumes behind the last complete
 * frame.
 * @param wanted indices of frames, ascending.
 * @param whole request the whole file, for servers without range requests.
 * @param count receives the number of bytes as they arrive.
 * @returns the number of bytes received.
 * @throws HoldfastError `repository.tampered`, `repository.cut`, and those of the source.
 */
export async function fetchFrames(
  source: RepositorySource,
  file: FrameFile,
  wanted: readonly number[],
  directory: FrameDirectory,
  count: (bytes: number) => void,
  signal: AbortSignal,
  whole = false,
): Promise<number> {
  let received = 0;
  for (let attempts = 1; ; attempts += 1) {
    const here = await directory.names();
    const missing = wanted.filter((index) => !here.has(file.frames[index]?.sha256 ?? ''));
    if (missing.length === 0) return received;
    if (attempts > attemptLimit) throw cut(source, file);
    const groups = whole ? [file.frames.map((_, index) => index)] : consecutive(missing);
    try {
      for (const group of groups) {
        const { bytes, frames, isWhole } = await fetchGroup(
          source,
          file,
          group,
          here,
          directory,
          count,
          signal,
        );
        received += bytes;
        if (frames > 0) attempts = 0;
        if (!isWhole) break;
      }
    } catch (error) {
      const isCut = isFailure(error, 'repository.unreachable');
      if (!isCut || attempts >= attemptLimit) throw error;
    }
  }
}

/** Groups consecutive indices. */
export function consecutive(indices: readonly number[]): number[][] {
  const groups: number[][] = [];
  for (const index of indices) {
    const last = groups.at(-1);
    if (last && last.at(-1) === index - 1) last.push(index);
    else groups.push([index]);
  }
  return groups;
}

async function fetchGroup(
  source: RepositorySource,
  file: FrameFile,
  group: readonly number[],
  here: ReadonlySet<string>,
  directory: FrameDirectory,
  count: (bytes: number) => void,
  signal: AbortSignal,
): Promise<{ bytes: number; frames: number; isWhole: boolean }> {
  const frames = group.flatMap((index) => file.frames[index] ?? []);
  const result = { bytes: 0, frames: 0, isWhole: false };
  let at = 0;
  let current = Buffer.alloc(frames[0]?.size ?? 0);
  let filled = 0;
  for await (const chunk of source.readRange(file.path, rangeOf(file, group), signal)) {
    result.bytes += chunk.length;
    count(chunk.length);
    for (let used = 0; used < chunk.length; ) {
      const part = chunk.subarray(used, used + current.length - filled);
      current.set(part, filled);
      filled += part.length;
      used += part.length;
      if (filled < current.length) continue;
      const sha256 = frames[at]?.sha256 ?? '';
      if (sha256Of(current) !== sha256) throw tampered(source, file, group[at] ?? 0);
      if (!here.has(sha256)) {
        await directory.add(sha256, current);
        result.frames += 1;
      }
      at += 1;
      current = Buffer.alloc(frames[at]?.size ?? 0);
      filled = 0;
      if (at === frames.length) return { ...result, isWhole: true };
    }
  }
  return result;
}

/** Returns the byte range of consecutive frames in their file. */
function rangeOf({ frames }: FrameFile, group: readonly number[]): ByteRange {
  const [first = 0, last = 0] = [group[0], group.at(-1)];
  const sizeOf = (part: readonly FrameDescription[]) => part.reduce((sum, { size }) => sum + size, 0);
  const start = sizeOf(frames.slice(0, first));
  return { start, end: start + sizeOf(frames.slice(first, last + 1)) };
}

function tampered(source: RepositorySource, { path }: FrameFile, frame: number): HoldfastError {
  return failure('repository.tampered', `${source.name} sent data that differs from what was signed`, {
    why: `frame ${frame} of ${path} does not match its signed digest`,
    next: 'report this to the publisher; do not use the repository until it is fixed',
  });
}

function cut(source: RepositorySource, { path }: FrameFile): HoldfastError {
  return failure('repository.cut', `the connection to ${source.name} was interrupted repeatedly`, {
    why: `${path} ended early ${attemptLimit} times`,
    next: 'run the command again; it resumes with the data received so far',
  });
}
