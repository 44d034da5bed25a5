/** A stretch of `update apply` in which to cut, told by the lines that it prints (`HOLDFAST_PROGRESS=plain`). */
export interface Moment {
  readonly step: string;
  /** The line that it begins with; none: the command's start. */
  readonly after?: RegExp;
  /** The line that it ends with: the cut comes then at the latest. */
  readonly until?: RegExp;
  /** Where in it: so many milliseconds after its beginning, or so many writes to the variable store. */
  readonly within: { readonly milliseconds: number } | { readonly writes: number };
  /** Whether the trial may have been committed by then. */
  readonly commits?: true;
}

const writing = /^\.{5} Writing the release/;
const written = /^done {2}Writing the release/;
const comparing = /^\.{5} Comparing the machine/;
const stopping = /^\.{5} Stopping the machine/;
const waiting = /^\.{5} Waiting for the machine/;
const checking = /^\.{5} Checking its health/;

/** Every step of src/update/plan.ts, and what lies between them. Those that write variables are cut between those writes. */
export const moments: readonly Moment[] = [
  { step: 'look and import', until: writing, within: { milliseconds: 4000 } },
  { step: 'retire', until: writing, within: { writes: 24 } },
  { step: 'stage', after: writing, until: stopping, within: { milliseconds: 2500 } },
  { step: 'read back', after: writing, until: written, within: { milliseconds: 6000 } },
  { step: 'compare', after: comparing, until: stopping, within: { milliseconds: 3000 } },
  { step: 'finalize', after: written, until: stopping, within: { writes: 24 } },
  { step: 'restart', after: stopping, within: { milliseconds: 8000 } },
  { step: 'firmware', after: waiting, within: { writes: 24 } },
  { step: 'trial', after: waiting, until: checking, within: { milliseconds: 30_000 } },
  { step: 'judge', after: checking, within: { milliseconds: 8000 }, commits: true },
  { step: 'commit', after: checking, within: { writes: 24 }, commits: true },
];
