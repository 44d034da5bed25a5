import { type Measured, median } from './measure.ts';

/** The results of one comparison. */
interface Result {
  readonly ours: number;
  readonly peer: number;
  readonly ratio: number;
  /** Absent when the comparison has no target. */
  readonly goal?: Goal;
}

interface Goal {
  readonly target: number;
  /** The bounded value divided by its bound; above 1 the target is missed. */
  readonly strain: number;
  readonly text: string;
}

/**
 * Formats the output of one benchmark: details and a result line for each comparison, then `NAME ours=… peer=… ratio=…
 * target=…` with the results of the comparison that is worst against its target.
 */
export function report(name: string, measured: readonly Measured[]): string[] {
  const results = measured.map((each) => ({ each, result: resultOf(each) }));
  const worst = results
    .map(({ result }) => result)
    .filter(({ goal }) => goal !== undefined)
    .toSorted((a, b) => (b.goal?.strain ?? 0) - (a.goal?.strain ?? 0))[0];
  if (worst === undefined) throw new Error(`benchmark ${name} has no comparison with a target`);
  return [
    ...results.flatMap(({ each, result }) => [
      ...describe(each, result),
      resultLine(`${name}.${each.comparison.name}`, result),
    ]),
    resultLine(name, worst),
  ];
}

function resultOf({ comparison, ours, peer }: Measured): Result {
  const figures = { ours: median(ours), peer: median(peer) };
  const result = { ...figures, ratio: figures.ours / figures.peer };
  const { target, targetOf = 'ratio', unit } = comparison;
  if (target === undefined) return result;
  const strain = result[targetOf] / target;
  const bound =
    targetOf === 'ours' ? `ours at most ${round(target)} ${unit}` : `ratio at most ${round(target)}`;
  return { ...result, goal: { target, strain, text: `${bound}: target ${strain <= 1 ? 'met' : 'missed'}` } };
}

function describe({ comparison, ours, peer }: Measured, result: Result): string[] {
  const { name, peerName, unit, runs } = comparison;
  const notes = comparison.notes?.() ?? [];
  return [
    `${name}, against ${peerName}: medians of ${runs} runs each, in turn`,
    `  ours ${round(result.ours)} ${unit} (${spread(ours)})`,
    `  peer ${round(result.peer)} ${unit} (${spread(peer)})`,
    ...notes.map((note) => `  ${note}`),
    `  ${result.goal?.text ?? 'for information: no target'}`,
  ];
}

function spread(values: readonly number[]): string {
  return `${round(Math.min(...values))} to ${round(Math.max(...values))}`;
}

function resultLine(name: string, { ours, peer, ratio, goal }: Result): string {
  const target = goal === undefined ? 'none' : round(goal.target);
  return `${name} ours=${round(ours)} peer=${round(peer)} ratio=${round(ratio)} target=${target}`;
}

/** Formats three significant digits without an exponent. */
function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
