/** A disk that is read and written in place, by whoever has it open. Offsets and lengths in bytes. */
export interface BlockDevice {
  readonly size: number;
  /** Fills all of `target`, and answers it. @throws HoldfastError `disk.device` when it fails or is gone. */
  read(target: Buffer, offset: number): Promise<Buffer>;
  /** On the medium only after `flush`. Throws as `read` does. */
  write(offset: number, data: Buffer): Promise<void>;
  /** Resolves when all that was written before is on the medium. Throws as `read` does. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
