import { availableParallelism, cpus } from 'node:os';
import { type Bench, measure } from './measure.ts';
import { report } from './report.ts';

/** Loads each benchmark only when it runs, so that a missing dependency of one does not stop the others. */
const benches: Readonly<Record<string, () => Promise<{ readonly bench: Bench }>>> = {
  boot: () => import('./boot.ts'),
  build: () => import('./build.ts'),
  cli: () => import('./cli.ts'),
  delta: () => import('./delta.ts'),
  deploy: () => import('./deploy.ts'),
  exec: () => import('./exec.ts'),
  growth: () => import('./growth.ts'),
  tpm: () => import('./tpm.ts'),
  update: () => import('./update.ts'),
  verity: () => import('./verity.ts'),
};

/** Comparisons with more runs than this do not print a line for each. */
const chattyRuns = 5;

/** Aborted by a signal, so that no machine is left behind. */
const interruption = new AbortController();
for (const name of ['SIGINT', 'SIGTERM']) {
  process.once(name, () => interruption.abort(new Error(`stopped by ${name}`)));
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(benches, name));
if (unknown.length > 0) {
  console.error(`no bench is called ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}`);
  process.exitCode = 2;
} else {
  console.log(
    `${availableParallelism()} processors (${cpus()[0]?.model ?? 'unknown'}), Node ${process.version}`,
  );
  for (const [name, load] of Object.entries(benches)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    try {
      const { bench } = await load();
      for (const line of await run(bench)) console.log(line);
    } catch (error) {
      console.error(`bench ${name} could not run:`, error);
      process.exitCode = 1;
    }
    if (interruption.signal.aborted) process.exit(); // pending operations are abandoned
  }
}

async function run(bench: Bench): Promise<string[]> {
  const undo: (() => Promise<void>)[] = [];
  const measureAll = async () => {
    const measured = [];
    for (const comparison of await bench.prepare((step) => undo.push(step))) {
      const { name, unit, runs } = comparison;
      const tell = (turn: number, ours: number, peer: number) =>
        console.log(
          `${bench.name}.${name} ${turn} of ${runs}: ours ${ours.toFixed(1)} ${unit}, peer ${peer.toFixed(1)} ${unit}`,
        );
      measured.push(await measure(comparison, runs > chattyRuns ? undefined : tell));
    }
    return report(bench.name, measured);
  };
  const stopped = new Promise<never>((_resolve, reject) => {
    interruption.signal.addEventListener('abort', () => reject(interruption.signal.reason));
  });
  try {
    return await Promise.race([measureAll(), stopped]);
  } finally {
    for (const step of undo.reverse()) await step();
  }
}
