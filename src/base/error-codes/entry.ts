/** The documentation of an error code in `docs/reference/errors.md`. */
export interface ErrorEntry {
  /** When the error occurs: one sentence. */
  readonly when: string;
  /** What to do about it. */
  readonly remedy: string;
}
