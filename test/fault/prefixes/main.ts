import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlockDevice } from '../../../src/disk/block-device.ts';
import { savedPath } from '../../../src/firmware/saved-store.ts';
import { withImage } from '../../../src/hypervisor/qemu/image-device.ts';
import { onStage, type Stage } from '../cuts/stage.ts';
import { type Event, PrefixCheck } from './check.ts';
import { readSlot, tablesOf } from './read-slots.ts';
import { type Recording, recordUpdate } from './record.ts';

/*
 * Checks the state that an interruption after each write of an update would leave. `npm run test:prefixes -- --boots N --seed S`
 */

/** The machine before the update. */
type Before = Readonly<Record<'disk' | 'variables', string>>;

/** Sets the machine to a state that an interruption after this event would have left, with some of the unflushed writes. */
async function restore(
  { subject: { files }, random }: Stage,
  before: Before,
  events: AsyncIterable<Event>,
  last: number,
): Promise<void> {
  await copyFile(before.disk, files.disk);
  let variables = await readFile(before.variables);
  let kept = variables;
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
      if (event.kind === 'replaced' || event.kind === 'synced') kept = Buffer.from(variables);
      if (at === last) break;
    }
    await put(unflushed.filter(() => random.below(2) === 1));
    await disk.flush();
  });
  await writeFile(files.variables, variables, { mode: 0o600 });
  await writeFile(savedPath(files.variables), kept, { mode: 0o600 });
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

/** Prints the results. @returns the events after which to try a start. */
async function checkAll(recording: Recording, check: PrefixCheck): Promise<number[]> {
  const counts = { write: 0, flush: 0, variables: 0, replaced: 0, synced: 0, started: 0 };
  const interesting: number[] = [];
  for await (const event of recording.events()) {
    check.take(event);
    counts[event.kind] += 1;
    if (event.kind === 'variables' || check.prefixes % 50 === 0) interesting.push(check.prefixes);
  }
  console.log(
    `${counts.write} writes to the disk, ${counts.flush} flushes, ${counts.variables} writes to the variable store, ` +
      `${counts.started} starts`,
  );
  for (const violation of check.violations) console.log(`VIOLATION: ${violation}`);
  console.log(
    `${check.prefixes} prefixes with ${check.outcomes} outcomes, ${check.torn.inAll} of them torn stores ` +
      `(${check.torn.byKill} without a loss of power); ${check.violations.size} violations`,
  );
  return interesting;
}

await onStage('prefixes', ['boots', 3], async (stage) => {
  const { count: boots, random, house, subject, releases } = stage;
  const { first, second, third } = releases;
  const { files } = subject;
  await subject.holdfast(['update', 'apply', '--from', second.directory]);
  await subject.addData('before');
  await subject.holdfast(['stop']);
  // in the home, which is not on a real disk
  const directory = join(house.home, 'recording');
  await mkdir(directory);
  const before = { disk: join(directory, 'disk.qcow2'), variables: join(directory, 'variables.fd') };
  await copyFile(files.disk, before.disk);
  await copyFile(files.variables, before.variables);
  const known = [first, second, third];
  const check = await withImage(files.disk, 'read', async (disk) => {
    const slots = { A: await readSlot('A', disk, known), B: await readSlot('B', disk, known) };
    const variables = await readFile(before.variables);
    return new PrefixCheck({ slots, tables: tablesOf(disk), variables, random });
  });
  const lasted = stopwatch();
  const words = ['update', 'apply', '--machine', subject.name, '--from', third.directory];
  const recording = await recordUpdate(words, house.home, files.variables, directory);
  await subject.holdfast(['stop']);
  assert.equal((await subject.inspect()).release, third.name);
  console.log(`recorded in ${lasted()} s`);
  const interesting = await checkAll(recording, check);
  console.log(`looked at after ${lasted()} s`);
  process.exitCode = check.violations.size === 0 ? 0 : 1;

  for (let boot = 1; boot <= boots; boot += 1) {
    const last = interesting[random.below(interesting.length)] ?? check.prefixes;
    await restore(stage, before, recording.events(), last);
    const { slot, release } = await subject.inspect();
    await subject.holdfast(['start']);
    await subject.checkData();
    console.log(
      `boot ${boot}, cut after event ${last} of ${check.prefixes}: ${release} is committed in ${slot}, ` +
        `${await subject.running()} runs`,
    );
    await subject.holdfast(['stop', '--force']);
  }
  console.log(`done after ${lasted()} s`);
});

function stopwatch(): () => number {
  const began = performance.now();
  return () => Math.round((performance.now() - began) / 1000);
}
