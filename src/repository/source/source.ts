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
