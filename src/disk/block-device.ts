/** An open disk that is read and written in place. Offsets and lengths are in bytes. */
export interface BlockDevice {
  readonly size: number;
  /**
   * Fills `target` and returns it.
   * @throws HoldfastError `disk.device` when reading fails or the connection is lost.
   */
  read(target: Buffer, offset: number): Promise<Buffer>;
  /** Writes data, which is on the medium only after `flush`. Throws as `read` does. */
  write(offset: number, data: Buffer): Promise<void>;
  /** Resolves when all completed writes are on the medium. Throws as `read` does. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
