/** A value of Holdfast compared with the same value of a peer. Smaller is better. */
export interface Comparison {
  /** The compared operation, such as `format`. */
  readonly name: string;
  /** The peer, as a reader would run it. */
  readonly peerName: string;
  readonly unit: string;
  /** The largest value that meets the target. Without a target, the comparison is for information only. */
  readonly target?: number;
  /** The value that `target` bounds: the ratio of Holdfast's to the peer's (default), or Holdfast's own, in `unit`. */
  readonly targetOf?: 'ratio' | 'ours';
  /** Number of measurements of each side, after one that is not counted. */
  readonly runs: number;
  /** Measures once, in `unit`. Includes the preparation of each run, outside the measured part. */
  ours(): Promise<number>;
  peer(): Promise<number>;
  /** Returns details of the measurements, printed below the results. */
  notes?(): readonly string[];
}

/** Registers a cleanup to run after the benchmark in any case. The last one registered runs first. */
export type Defer = (undo: () => Promise<void>) => void;

/** A benchmark: `bench/NAME.ts` exports one as `bench`. */
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
 * Measures both sides in turn, Holdfast first, so that other load of the host affects both alike.
 * @param onPair receives both values of each turn; turn 0 is the one that is not counted.
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

/** Returns the duration of `work` in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Returns the median; for an even count, the mean of the two middle values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  const middle = sorted.slice(Math.ceil(half) - 1, Math.floor(half) + 1);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}
