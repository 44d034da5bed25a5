import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { misuse } from '../base/errors.ts';
import { openBundle } from './bundle-source.ts';
import { folderSource } from './folder-source.ts';
import { httpSource } from './http-source.ts';

/** Bytes of a file, from `start` up to but not including `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Where a repository is read from. Nothing that it says is trusted. */
export interface Source {
  /** For errors: as the user named it. */
  readonly name: string;
  /**
   * A small file, whole; undefined when there is none.
   * @param path from the repository's top. @param maximum bytes; more are refused as soon as they come.
   * @throws HoldfastError `repository.too-large`, `repository.slow`, `repository.unreachable`, `repository.http`.
   */
  read(path: string, maximum: number, signal: AbortSignal): Promise<Buffer | undefined>;
  /**
   * A stretch of a large file, as it comes: never more bytes than asked for, but fewer when the connection is cut.
   * @throws HoldfastError `repository.no-ranges` when only whole files can be had; `repository.missing`, and those of `read`.
   */
  readRange(path: string, range: ByteRange, signal: AbortSignal): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/**
 * Opens what `--from` names: a URL, a folder, or the file that `release bundle` made.
 * @throws HoldfastError `repository.source` (exit code 2), and those of `openBundle`.
 */
export async function openSource(name: string): Promise<Source> {
  if (/^https?:\/\//.test(name)) return httpSource(name);
  const path = resolve(name);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return folderSource(name, path);
  if (found?.isFile()) return openBundle(name, path);
  throw misuse('repository.source', `${name} is no repository`, {
    why: 'nothing is there',
    next: 'name a URL (http or https), a folder, or a bundle',
  });
}
