import type { Progress } from '../base/progress.ts';
import type { SkippedItem, TreeFilter } from './copy-filter.ts';

/** How to copy, in either direction. */
export interface CopyOptions {
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Links out of the guest that lead out of the copied item: copied, or else skipped. */
  readonly links: 'all' | 'inside';
  /** A source that is a link is taken for what it points to. */
  readonly follow: boolean;
  /** Extended attributes of the namespace `user` are copied. */
  readonly attributes: boolean;
  /** Of what is copied into the guest. */
  readonly ownership: Ownership;
}

/** Undefined: the user who copies, and the permission bits of the source. */
export interface Ownership {
  /** `USER`, `USER:GROUP` or `:GROUP`, as chown(1). */
  readonly owner: string | undefined;
  /** Of files; a directory also gets `x` wherever it gets `r`. */
  readonly mode: number | undefined;
}

/** What a copy left out. */
export interface CopyResult {
  readonly skipped: readonly SkippedItem[];
  /** The number of all, since only the first are named. */
  readonly skippedCount: number;
}

export function resultOf({ skipped, skippedCount }: TreeFilter): CopyResult {
  return { skipped, skippedCount };
}
