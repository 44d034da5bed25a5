/** What `docs/reference/errors.md` says about one error code. */
export interface ErrorEntry {
  /** When the error occurs: one sentence. */
  readonly when: string;
  /** What to do about it. */
  readonly remedy: string;
}
