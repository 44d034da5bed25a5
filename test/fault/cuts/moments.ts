/** A part of `update apply` to interrupt, delimited by the lines that it prints (`HOLDFAST_PROGRESS=plain`). */
export interface Moment {
  readonly step: string;
  /** The first line; none for the start of the command. */
  readonly after?: RegExp;
  /** The last line, at which the interruption comes at the latest. */
  readonly until?: RegExp;
  /** Positions in it: milliseconds after its beginning, or writes to the variable store. */
  readonly within: { readonly milliseconds: number } | { readonly writes: number };
  /** Whether the trial can be committed at this point. */
  readonly commits?: true;
}

const writing = /^\.{5} Writing the release/;
const written = /^done {2}Writing the release/;
const comparing = /^\.{5} Comparing the machine/;
const stopping = /^\.{5} Stopping the machine/;
const waiting = /^\.{5} Waiting for the machine/;
const checking = /^\.{5} Checking its health/;

/** Every step of src/update/plan.ts, and the parts between them. Steps that write variables are interrupted between the writes. */
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
