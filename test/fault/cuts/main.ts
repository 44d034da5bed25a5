import assert from 'node:assert/strict';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { reasonOf } from '../../../src/base/errors.ts';
import { parseMachineName } from '../../../src/machine/home.ts';
import { serve } from '../../support/repository.ts';
import { type Cut, runAndCut } from './cut.ts';
import { House } from './house.ts';
import { type KnownRelease, knownReleases } from './known-release.ts';
import { moments } from './moments.ts';
import { Random } from './random.ts';
import { repositoryFaults } from './repository-faults.ts';
import { Subject } from './subject.ts';
import { victims } from './victims.ts';

/*
 * One machine, brought from release to release and cut off on the way again and again. What a cut left is what the next one
 * hits. `npm run test:faults -- --runs N --seed S`
 */

const { values } = parseArgs({ options: { runs: { type: 'string' }, seed: { type: 'string' } } });
const runs = Number(values.runs ?? 25);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
assert.ok(Number.isInteger(runs) && Number.isInteger(seed), '--runs and --seed are whole numbers');

/** So many in a row, each into what the one before left, until a plain `apply` is to finish. */
const cutsOnTheWay = 3;

const random = new Random(seed);
let [passed, failed, cuts] = [0, 0, 0];

async function attempt(title: string, work: () => Promise<string>): Promise<void> {
  const began = performance.now();
  const seconds = () => `${Math.round((performance.now() - began) / 1000)} s`;
  try {
    const outcome = await work();
    passed += 1;
    console.log(`${title}: ${outcome} (${seconds()})`);
  } catch (error) {
    failed += 1;
    console.log(`${title}: FAILED after ${seconds()}: ${reasonOf(error)}`);
  }
}

console.log(`seed ${seed}`);
const releases = await knownReleases();
const [first, second, third] = releases;
assert.ok(first && second && third);
const house = await House.open();
const subject = new Subject(house, parseMachineName('cuts'), releases);
const repository = join(house.home, 'www');
const web = await serve(repository);

/** What `apply` is to come to after whatever happened, with all data as they were. */
async function finish(target: string, from: string): Promise<void> {
  await subject.holdfast(['update', 'apply', '--from', from]);
  const { slot, release } = await subject.inspect();
  assert.equal(release, target, 'the release that was wanted is committed');
  assert.equal(await subject.running(), slot, 'the committed slot runs');
  await subject.checkData();
}

const dealtMoments = random.deal(moments);
const dealtVictims = random.deal(victims);

/** So many cuts that follow each other on the way to a release, in the order of the steps. */
function dealCuts(count: number): Cut[] {
  const chosen = Array.from({ length: count }, () => dealtMoments.next().value);
  return chosen
    .toSorted((one, other) => moments.indexOf(one) - moments.indexOf(other))
    .map((moment) => {
      const within = 'writes' in moment.within ? moment.within.writes : moment.within.milliseconds;
      return { moment, victim: dealtVictims.next().value, depth: 1 + random.below(within) };
    });
}

/** @returns what was committed then, and whether the command had ended before the cut. */
async function cutOnTheWay(before: KnownRelease, target: KnownRelease, cut: Cut): Promise<[string, boolean]> {
  const words = ['update', 'apply', '--machine', subject.name, '--from', target.folder];
  const outcome = await runAndCut(words, cut, subject.files, house);
  const { release } = await subject.inspect();
  // what was not hit itself may have gone on to the end
  const mayBeThere = outcome === undefined || outcome.code === 0 || cut.moment.commits;
  const possible = mayBeThere ? [before, target] : [before];
  assert.ok(
    possible.some(({ name }) => name === release),
    `${release} is committed after a cut at ${cut.moment.step}`,
  );
  return [release, outcome === undefined];
}

try {
  await subject.holdfast(['deploy', '--release', first.folder, '--data-size', '2GB']);
  let [current, other]: [KnownRelease, KnownRelease] = [first, second];
  for (let journeys = 1; cuts < runs && journeys <= runs; journeys += 1) {
    // from the first, past the second, to the third; then ever on to the one that no slot holds, as it has to be staged
    const before = current;
    const target = releases.find((release) => release !== current && release !== other) ?? third;
    await subject.addData(`journey-${journeys}`);
    for (const cut of dealCuts(Math.min(cutsOnTheWay, runs - cuts))) {
      const unit = 'writes' in cut.moment.within ? 'writes' : 'ms';
      const what = `${cut.victim} at ${cut.moment.step} + ${cut.depth} ${unit}`;
      let hadEnded = false;
      await attempt(`cut ${cuts + 1}: ${before.name} to ${target.name}, ${what}`, async () => {
        const [release, ended] = await cutOnTheWay(before, target, cut);
        hadEnded = ended;
        return ended ? 'not cut, the command had ended' : `${release} is committed and whole`;
      });
      if (hadEnded) {
        passed -= 1;
        break;
      }
      cuts += 1;
    }
    await attempt(`journey ${journeys}: ${before.name} to ${target.name}`, async () => {
      await finish(target.name, target.folder);
      return 'finished by a plain apply, the data as they were';
    });
    [current, other] = [target, before];
  }
  await subject.holdfast(['release', 'keys', 'init']);
  for (const { folder } of releases)
    await subject.holdfast(['release', 'publish', folder, '--repository', repository]);
  // so that the third is in no slot and not in the store
  for (const { name, folder } of [second, first]) await finish(name, folder);
  await subject.addData('repository');
  for (const fault of repositoryFaults)
    await attempt('repository', async () => {
      const outcome = await fault({ subject, house, web, random });
      assert.equal((await subject.inspect()).release, first.name);
      return outcome;
    });
  await attempt('repository', async () => {
    await finish(third.name, web.address);
    return 'finished by a plain apply, the data as they were';
  });
} finally {
  await subject.holdfast(['remove'], [0, 1]);
  await web.close();
  await house.close();
}
console.log(`${cuts} cuts`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
