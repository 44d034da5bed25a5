import type { Bytes } from '../base/size.ts';
import type { BlockDevice } from './block-device.ts';

/** A byte range of a disk. */
export interface Range {
  readonly offset: number;
  readonly length: number;
}

/**
 * `read` also works while a machine runs from the file; data that the machine is writing can be
 * incomplete. `write`: only while the machine is off, and it cannot start until the access ends.
 */
export type ImageAccess = 'read' | 'write';

/** Files that hold machines' disks. Their format is the hypervisor's. */
export interface DiskImages {
  /**
   * Makes a disk of the size and content of the raw file `raw`; where that is zero, the disk shows
   * the content of `base`. The file refers to `base` relative to its own directory.
   */
  create(path: string, raw: string, base: string): Promise<void>;
  /** Returns the disk's size, also while a machine runs from it. */
  size(path: string): Promise<Bytes>;
  /** Makes the disk larger, never smaller. The new part reads as zeros. */
  enlarge(path: string, size: Bytes): Promise<void>;
  /**
   * Reads a part of the disk. While a machine runs from it, what the machine wrote may be missing
   * or incomplete; the rest is right.
   */
  read(path: string, range: Range): Promise<Buffer>;
  /** Writes a part of the disk; returns once it is on stable storage. */
  write(path: string, offset: number, data: Buffer): Promise<void>;
  /**
   * Opens the disk for the time of `work`.
   * @throws HoldfastError `disk.device`, and what `work` throws.
   */
  open<T>(path: string, access: ImageAccess, work: (disk: BlockDevice) => Promise<T>): Promise<T>;
}
