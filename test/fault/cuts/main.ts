import assert from 'node:assert/strict';
import { join } from 'node:path';
import { serve } from '../../support/repository.ts';
import { type Cut, runAndCut } from './cut.ts';
import type { KnownRelease } from './known-release.ts';
import { moments } from './moments.ts';
import type { Random } from './random.ts';
import { repositoryFaults } from './repository-faults.ts';
import { onStage, type Stage } from './stage.ts';
import type { Subject } from './subject.ts';
import { Tally } from './tally.ts';
import { victims } from './victims.ts';

/*
 * Updates one machine from release to release and interrupts the updates. Each interruption hits the state that the previous one
 * left. `npm run test:faults -- --runs N --seed S`
 */

/** Number of consecutive interruptions before an uninterrupted `apply` must complete. */
const cutsOnTheWay = 3;

/** The source and the target release of an update. */
interface Way {
  readonly before: KnownRelease;
  readonly target: KnownRelease;
}

/** Checks that `apply` completes after any interruption, with all user data unchanged. */
async function finish(subject: Subject, target: string, from: string): Promise<void> {
  await subject.holdfast(['update', 'apply', '--from', from]);
  const { slot, release } = await subject.inspect();
  assert.equal(release, target, 'the release that was wanted is committed');
  assert.equal(await subject.running(), slot, 'the committed slot runs');
  await subject.checkData();
}

/** Returns consecutive interruptions of an update, in the order of the steps. */
function cutDealer(random: Random): (count: number) => Cut[] {
  const [dealtMoments, dealtVictims] = [random.deal(moments), random.deal(victims)];
  return (count) =>
    Array.from({ length: count }, () => dealtMoments.next().value)
      .toSorted((one, other) => moments.indexOf(one) - moments.indexOf(other))
      .map((moment) => {
        const within = 'writes' in moment.within ? moment.within.writes : moment.within.milliseconds;
        return { moment, victim: dealtVictims.next().value, depth: 1 + random.below(within) };
      });
}

/** @returns the committed release, and whether the command had ended before the interruption. */
async function cutOnTheWay(
  { subject, house }: Stage,
  { before, target }: Way,
  cut: Cut,
): Promise<readonly [release: string, hadEnded: boolean]> {
  const words = ['update', 'apply', '--machine', subject.name, '--from', target.directory];
  const outcome = await runAndCut(words, cut, subject.files, house);
  const { release } = await subject.inspect();
  // a command that was not hit itself may have completed
  const mayBeThere = outcome === undefined || outcome.code === 0 || cut.moment.commits;
  const possible = mayBeThere ? [before, target] : [before];
  assert.ok(
    possible.some(({ name }) => name === release),
    `${release} is committed after a cut at ${cut.moment.step}`,
  );
  return [release, outcome === undefined];
}

/** @returns the number of interruptions that came before the command had ended. */
async function goAndCut(stage: Stage, tally: Tally, way: Way, cuts: readonly Cut[], before: number) {
  let count = 0;
  for (const cut of cuts) {
    const unit = 'writes' in cut.moment.within ? 'writes' : 'ms';
    const what = `${cut.victim} at ${cut.moment.step} + ${cut.depth} ${unit}`;
    let hadEnded = false;
    await tally.attempt(
      `cut ${before + count + 1}: ${way.before.name} to ${way.target.name}, ${what}`,
      async () => {
        const [release, ended] = await cutOnTheWay(stage, way, cut);
        hadEnded = ended;
        return ended ? 'not cut, the command had ended' : `${release} is committed and whole`;
      },
    );
    if (hadEnded) break;
    count += 1;
  }
  return count;
}

/** Updates a machine to each release in turn, until it was interrupted often enough. */
async function journeys(stage: Stage, tally: Tally): Promise<void> {
  const { count: runs, random, subject } = stage;
  const { first, second, third } = stage.releases;
  const dealCuts = cutDealer(random);
  let cuts = 0;
  let [current, other] = [first, second];
  for (let journey = 1; cuts < runs && journey <= runs; journey += 1) {
    // to the release that no slot holds, as it must be staged
    const target = [third, second, first].find((each) => each !== current && each !== other) ?? third;
    const way = { before: current, target };
    await subject.addData(`journey-${journey}`);
    cuts += await goAndCut(stage, tally, way, dealCuts(Math.min(cutsOnTheWay, runs - cuts)), cuts);
    await tally.attempt(`journey ${journey}: ${way.before.name} to ${target.name}`, async () => {
      await finish(subject, target.name, target.directory);
      return 'finished by a plain apply, the data as they were';
    });
    [current, other] = [target, way.before];
  }
  console.log(`${cuts} cuts`);
}

/** Runs the faults between a repository and the host. */
async function fetching({ random, house, subject, releases }: Stage, tally: Tally): Promise<void> {
  const { first, second, third } = releases;
  const repository = join(house.home, 'www');
  await house.holdfast(['release', 'keys', 'init']);
  for (const { directory } of [first, second, third])
    await house.holdfast(['release', 'publish', directory, '--repository', repository]);
  // so that the third release is in no slot and not in the store
  for (const { name, directory } of [second, first]) {
    await subject.holdfast(['update', 'apply', '--from', directory]);
    assert.equal((await subject.inspect()).release, name);
  }
  await subject.addData('repository');
  const web = await serve(repository);
  try {
    for (const fault of repositoryFaults)
      await tally.attempt('repository', async () => {
        const outcome = await fault({ subject, house, web, random });
        assert.equal((await subject.inspect()).release, first.name);
        return outcome;
      });
    await tally.attempt('repository', async () => {
      await finish(subject, third.name, web.address);
      return 'finished by a plain apply, the data as they were';
    });
  } finally {
    await web.close();
  }
}

await onStage('cuts', ['runs', 25], async (stage) => {
  const tally = new Tally();
  await journeys(stage, tally);
  await fetching(stage, tally);
  tally.close();
});
