import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { BlockDevice } from '../../../src/disk/block-device.ts';
import { withImage } from '../../../src/disk/image-device.ts';
import { parseMachineName } from '../../../src/machine/home.ts';
import { layout } from '../../vm/machine.ts';
import { House } from '../cuts/house.ts';
import { knownReleases } from '../cuts/known-release.ts';
import { Random } from '../cuts/random.ts';
import { Subject } from '../cuts/subject.ts';
import { type Event, PrefixCheck } from './check.ts';
import { readSlot, tablesOf } from './read-slots.ts';
import { recordUpdate } from './record.ts';

/*
 * Every write of one update, and what a cut after each would leave. `npm run test:prefixes -- --boots N --seed S`
 */

const { values } = parseArgs({ options: { boots: { type: 'string' }, seed: { type: 'string' } } });
const boots = Number(values.boots ?? 3);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
assert.ok(Number.isInteger(boots) && Number.isInteger(seed), '--boots and --seed are whole numbers');
const random = new Random(seed);
console.log(`seed ${seed}`);

const releases = await knownReleases();
const [first, second, third] = releases;
assert.ok(first && second && third);
const house = await House.open();
const subject = new Subject(house, parseMachineName('prefixes'), releases);
const { files } = subject;
const folder = await mkdtemp(join(layout.cache, 'prefixes-'));
const before = { disk: join(folder, 'disk.qcow2'), variables: join(folder, 'variables.fd') };

/** Puts the machine back to what a cut after this event would have left, with some of what was not flushed. */
async function restore(events: AsyncIterable<Event>, last: number): Promise<void> {
  await copyFile(before.disk, files.disk);
  let variables = await readFile(before.variables);
  await withImage(files.disk, 'write', async (disk) => {
    const unflushed: Extract<Event, { kind: 'write' }>[] = [];
    const put = (writes: typeof unflushed) => writeAll(disk, writes);
    let at = 0;
    for await (const event of events) {
      at += 1;
      if (event.kind === 'write') unflushed.push(event);
      else if (event.kind === 'flush') await put(unflushed.splice(0));
      else if (event.kind === 'replaced') variables = Buffer.from(event.image);
      else if (event.kind === 'variables') event.data.copy(variables, event.offset);
      if (at === last) break;
    }
    await put(unflushed.filter(() => random.below(2) === 1));
    await disk.flush();
  });
  await writeFile(files.variables, variables, { mode: 0o600 });
}

async function writeAll(
  disk: BlockDevice,
  writes: readonly { offset: number; data: Buffer }[],
): Promise<void> {
  const most = 1024 * 1024;
  for (const { offset, data } of writes)
    for (let at = 0; at < data.length; at += most)
      await disk.write(offset + at, data.subarray(at, at + most));
}

let failed = 0;
try {
  await subject.holdfast(['deploy', '--release', first.folder, '--data-size', '2GB']);
  await subject.holdfast(['update', 'apply', '--from', second.folder]);
  await subject.addData('before');
  await subject.holdfast(['stop']);
  await copyFile(files.disk, before.disk);
  await copyFile(files.variables, before.variables);
  const check = await withImage(files.disk, 'read', async (disk) => {
    const slots = { A: await readSlot('A', disk, releases), B: await readSlot('B', disk, releases) };
    return new PrefixCheck({
      slots,
      tables: tablesOf(disk),
      variables: await readFile(before.variables),
      random,
    });
  });
  const words = ['update', 'apply', '--machine', subject.name, '--from', third.folder];
  const recording = await recordUpdate(words, house.home, files.variables, folder);
  await subject.holdfast(['stop']);

  const counts = { write: 0, flush: 0, variables: 0, replaced: 0, synced: 0, started: 0 };
  const interesting: number[] = [];
  let at = 0;
  for await (const event of recording.events()) {
    check.take(event);
    counts[event.kind] += 1;
    at += 1;
    if (event.kind === 'variables' || at % 50 === 0) interesting.push(at);
  }
  console.log(
    `${counts.write} writes to the disk, ${counts.flush} flushes, ${counts.variables} writes to the variable store, ` +
      `${counts.started} starts`,
  );
  for (const violation of check.violations) console.log(`VIOLATION: ${violation}`);
  failed += check.violations.size;
  console.log(`${check.prefixes} prefixes, ${check.violations.size} violations`);
  assert.equal((await subject.inspect()).release, third.name);

  for (let boot = 1; boot <= boots; boot += 1) {
    const last = interesting[random.below(interesting.length)] ?? at;
    await restore(recording.events(), last);
    const { slot, release } = await subject.inspect();
    await subject.holdfast(['start']);
    await subject.checkData();
    console.log(
      `boot ${boot}, cut after event ${last} of ${at}: ${release} is committed in ${slot}, ${await subject.running()} runs`,
    );
    await subject.holdfast(['stop', '--force']);
  }
} finally {
  await subject.holdfast(['remove'], [0, 1]);
  await house.close();
  await rm(folder, { recursive: true });
}
process.exitCode = failed === 0 ? 0 : 1;
