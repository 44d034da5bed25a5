/** A file of the repository that is made from the sources, whole or in part. */
export interface GeneratedFile {
  /** Relative to the repository. */
  readonly path: string;
  /**
   * Returns what the file must contain.
   * @param current its content; empty when the file does not exist.
   */
  make(current: string): string | Promise<string>;
}
