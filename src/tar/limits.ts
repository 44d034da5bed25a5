/** Bounds on an archive of any origin: what exceeds one is rejected before it is kept. */
export const archiveLimits = {
  /** Entries of one archive. */
  entries: 1_000_000,
  /** Bytes of a path and of a link's target: PATH_MAX. */
  pathBytes: 4096,
  /** Bytes of one name: NAME_MAX. */
  nameBytes: 255,
  /** Directories in each other. */
  depth: 256,
  /** Bytes of a pax header. Linux allows 64 KiB for the value of an extended attribute. */
  paxBytes: 1024 * 1024,
  /** Bytes of the map of a sparse file. */
  sparseMapBytes: 16 * 1024 * 1024,
  /** Bytes of names, links and skipped items that are remembered at a time. */
  rememberedBytes: 64 * 1024 * 1024,
  /** Zero bytes after the end mark: GNU tar fills its last record. */
  trailingBytes: 1024 * 1024,
} as const;
