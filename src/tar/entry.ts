/** What an entry stands for; `hard-link` is another name of an earlier entry. */
export type EntryKind =
  | 'file'
  | 'hard-link'
  | 'link'
  | 'character-device'
  | 'block-device'
  | 'directory'
  | 'pipe';

/** An entry of an archive. Paths and targets are bytes, as latin1 text: one character is one byte. */
export interface TarEntry {
  readonly kind: EntryKind;
  /** Without a slash at its end. */
  readonly path: string;
  /** Where a link leads; the path of the earlier entry for a hard link; empty otherwise. */
  readonly target: string;
  /** Permission bits, with set-user-id, set-group-id and sticky. */
  readonly mode: number;
  /** Seconds since 1970 in decimal, possibly negative or with a fraction. */
  readonly mtime: string;
  /** Bytes of content in the archive: those of a sparse file have its map and no holes. */
  readonly size: number;
  /** Length of a sparse file with its holes; undefined: not sparse. */
  readonly sparseLength: number | undefined;
  /** Extended attributes, with the encoding of names that GNU tar uses. */
  readonly attributes: readonly (readonly [name: string, value: string])[];
}

/** The archive does not follow the format, or exceeds a limit. */
export class ArchiveError extends Error {
  /** It ended early, which a lost connection or a failed writer can explain. */
  readonly isTruncated: boolean;

  constructor(message: string, isTruncated = false) {
    super(message);
    this.isTruncated = isTruncated;
  }
}
