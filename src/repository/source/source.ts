/** A range of bytes from `start` to `end`, exclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Reads the files of a repository. Nothing read from it is trusted. */
export interface RepositorySource {
  /** The source as the user named it, for errors. */
  readonly name: string;
  /**
   * Reads a small file; undefined if it does not exist.
   * @param path relative to the root of the repository.
   * @param maximum limit in bytes, enforced while data arrives.
   * @throws HoldfastError `repository.too-large`, `repository.slow`, `repository.unreachable`,
   *   `repository.http`, `repository.denied`, `repository.proxy`, `repository.page`.
   */
  read(path: string, maximum: number, signal: AbortSignal): Promise<Buffer | undefined>;
  /**
   * Streams a range of a large file. Never yields more bytes than requested, but fewer if the
   * connection is interrupted.
   * @throws HoldfastError `repository.no-ranges` when the source supports whole files only;
   *   `repository.missing`, and those of `read`.
   */
  readRange(path: string, range: ByteRange, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** The same source without what caches on the way have stored; undefined if there are none. */
  readonly uncached?: RepositorySource;
  close(): Promise<void>;
}
