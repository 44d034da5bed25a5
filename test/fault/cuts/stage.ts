import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { parseMachineName } from '../../../src/machine/paths.ts';
import { House } from './house.ts';
import { type KnownRelease, knownReleases } from './known-release.ts';
import { Random } from './random.ts';
import { Subject } from './subject.ts';

/** The environment of a run of faults. */
export interface Stage {
  /** The number from the command line, or the default. */
  readonly count: number;
  /** Random numbers, the same for the same `--seed`. */
  readonly random: Random;
  readonly house: House;
  /** The machine, which runs the first release. */
  readonly subject: Subject;
  readonly releases: Readonly<Record<'first' | 'second' | 'third', KnownRelease>>;
}

/**
 * Deploys a machine in a separate house, and removes both after the work.
 * @param name name of the machine.
 * @param option option for the number of repetitions, and its default.
 */
export async function onStage(
  name: string,
  option: readonly [name: string, count: number],
  work: (stage: Stage) => Promise<void>,
): Promise<void> {
  const { values } = parseArgs({ options: { [option[0]]: { type: 'string' }, seed: { type: 'string' } } });
  const count = Number(values[option[0]] ?? option[1]);
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  assert.ok(Number.isInteger(count) && Number.isInteger(seed), `--${option[0]} and --seed are whole numbers`);
  console.log(`seed ${seed}`);
  const [first, second, third] = await knownReleases();
  assert.ok(first && second && third);
  const house = await House.open();
  await cleanUpAfter(
    async () => {
      const subject = new Subject(house, parseMachineName(name), [first, second, third]);
      await cleanUpAfter(
        async () => {
          await subject.holdfast(['deploy', '--release', first.directory, '--data-size', '2GB']);
          const releases = { first, second, third };
          await work({ count, random: new Random(seed), house, subject, releases });
        },
        () => subject.holdfast(['remove', '--yes'], [0, 1]),
      );
    },
    () => house.close(),
  );
}

/** Cleans up, also after a failure, whose error a failed cleanup must not hide. */
async function cleanUpAfter(work: () => Promise<void>, cleanUp: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    await cleanUp().catch(console.error);
    throw error;
  }
  await cleanUp();
}
