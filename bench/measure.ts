/** One figure of ours beside the same figure of a peer. Smaller is better. */
export interface Comparison {
  /** What is compared, such as `format`. */
  readonly name: string;
  /** Who the peer is, as a reader would run it. */
  readonly peerName: string;
  readonly unit: string;
  /** The largest value that meets the target. Without one the comparison is for information only. */
  readonly target?: number;
  /** What `target` bounds: the ratio of ours to the peer's (default), or ours alone, in `unit`. */
  readonly targetOf?: 'ratio' | 'ours';
  /** Measurements of each side. One more of each comes first and is not counted. */
  readonly runs: number;
  /** Measures once, in `unit`. What must be prepared anew for each run is done here, outside the measured part. */
  ours(): Promise<number>;
  peer(): Promise<number>;
  /** Lines that say more about what was measured: printed under the figures. */
  notes?(): readonly string[];
}

/** Registers what must be undone after the bench, whatever happens; the last registered is undone first. */
export type Defer = (undo: () => Promise<void>) => void;

/** A bench: `bench/NAME.ts` exports one as `bench`. */
export interface Bench {
  readonly name: string;
  prepare(defer: Defer): Promise<readonly Comparison[]>;
}

export interface Measured {
  readonly comparison: Comparison;
  readonly ours: readonly number[];
  readonly peer: readonly number[];
}

/**
 * Measures both sides in turn, ours first, so that what else the host does meets both alike.
 * @param onPair sees both figures of each turn as they come; turn 0 is the one that is not counted.
 */
export async function measure(
  comparison: Comparison,
  onPair: (turn: number, ours: number, peer: number) => void = () => {},
): Promise<Measured> {
  const ours: number[] = [];
  const peer: number[] = [];
  for (let run = 0; run <= comparison.runs; run++) {
    ours.push(await comparison.ours());
    peer.push(await comparison.peer());
    onPair(run, ours.at(-1) ?? 0, peer.at(-1) ?? 0);
  }
  return { comparison, ours: ours.slice(1), peer: peer.slice(1) };
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** The middle of some numbers; the mean of the two in the middle when their count is even. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  const middle = sorted.slice(Math.ceil(half) - 1, Math.floor(half) + 1);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}
