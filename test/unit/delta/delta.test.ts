import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { isFailure } from '../../../src/base/errors.ts';
import { decodeBlockIndex, encodeBlockIndex, prefixesOf } from '../../../src/delta/block-index.ts';
import { countBlocks, placeFiles } from '../../../src/delta/content.ts';
import { compressFrame, decompressFrame } from '../../../src/delta/frame-codec.ts';
import { type Location, OldBlocks, unitsPerBlock } from '../../../src/delta/old-blocks.ts';
import { contextOf, decodePart, encodePart, partsOf } from '../../../src/delta/pack-codec.ts';
import { decodePlan, encodePlan } from '../../../src/delta/pack-plan.ts';
import { framesNeeded, planRuns, type Run } from '../../../src/delta/plan.ts';
import { blocksOfSlots, copyOld, placeFrame, placeParts, readContext } from '../../../src/delta/rebuild.ts';
import { RowReader } from '../../../src/delta/row-reader.ts';
import { RowWriter } from '../../../src/delta/row-writer.ts';
import { orderBlocks, type StoreOrder } from '../../../src/delta/store-order.ts';
import { classify } from '../../../src/repository/publisher/block-store.ts';
import { blockSize } from '../../../src/verity/geometry.ts';
import { digestBlocks } from '../../../src/verity/tree.ts';

/** Returns the block with a number; most of it is zeros. */
function block(number: number): Buffer {
  const bytes = Buffer.alloc(blockSize);
  bytes.write(`block ${number}`, (number * 7) % 4000);
  return bytes;
}

const bytesOf = (numbers: readonly number[]) => Buffer.concat(numbers.map(block));
const prefixes = (bytes: Buffer) => prefixesOf(digestBlocks(bytes));

/** Few distinct numbers, so that blocks repeat, move and disappear. */
const numbers = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 40 });

async function inScratch<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-delta-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** An old and a new release with a root and a boot image, which ends inside a block and moves by 512 bytes. */
const pairs = fc.record({
  old: numbers,
  new: numbers,
  shift: fc.integer({ min: 0, max: 9 }),
  tail: fc.integer({ min: 1, max: blockSize }),
  slots: fc.integer({ min: 1, max: 9 }),
});

test('rebuilds any release from any other, with frames and with a pack', () =>
  inScratch((directory) =>
    fc.assert(
      fc.asyncProperty(pairs, async ({ old, new: next, shift, tail, slots }) => {
        const boot = bytesOf(next).subarray(0, (next.length - 1) * blockSize + tail);
        const newBoot = Buffer.concat([Buffer.alloc(shift * 512), boot]);
        await writeFile(join(directory, 'old-root'), bytesOf(old));
        await writeFile(join(directory, 'old-boot'), boot);
        await writeFile(join(directory, 'new-root'), bytesOf(next));
        await writeFile(join(directory, 'new-boot'), newBoot);
        const part = (name: string, size: number) => ({ path: join(directory, name), offset: 0, size });
        const files = [
          { name: 'root', size: next.length * blockSize },
          { name: 'boot', size: newBoot.length },
        ];
        const oldRow = await RowReader.open([
          part('old-root', old.length * blockSize),
          part('old-boot', boot.length),
        ]);
        const newRow = await RowReader.open([
          part('new-root', files[0]?.size ?? 0),
          part('new-boot', newBoot.length),
        ]);
        try {
          const all = await newRow.read(0, newRow.units);
          assert.equal(all.length, countBlocks(files) * blockSize);
          const known = new OldBlocks();
          known.addDigests(digestBlocks(bytesOf(old)), oldRow.startOf(0));
          const start = oldRow.startOf(1);
          known.addUnaligned(await oldRow.read(start, oldRow.units - start), start);
          const index = decodeBlockIndex(
            encodeBlockIndex({
              classes: classify(prefixes(all), [prefixes(bytesOf(old))]),
              prefixes: prefixes(all),
            }),
            countBlocks(files),
          );
          const runs = planRuns(index, known);
          const check = async (name: string) => {
            for (const [file, bytes] of [
              ['root', bytesOf(next)],
              ['boot', newBoot],
            ] as const)
              assert((await readFile(join(directory, file))).equals(bytes), `${name}: ${file}`);
          };

          const order = orderBlocks(index, slots);
          let target = await RowWriter.create(directory, files);
          await copyOld(runs, oldRow, target, () => {});
          for (const number of framesNeeded(runs, order)) {
            const frame = order.frames[number];
            assert(frame);
            const data = Buffer.concat(
              [...order.blockIn.subarray(frame.firstSlot, frame.firstSlot + frame.slots)].map((each) =>
                all.subarray(each * blockSize, (each + 1) * blockSize),
              ),
            );
            const decoded = await decompressFrame(await compressFrame(data, 'quick'), data.length);
            await placeFrame(decoded, frame.firstSlot, order, blocksOfSlots(order), target);
          }
          await target.close();
          await check('frames');

          const plan = decodePlan(encodePlan(runs), countBlocks(files), oldRow.units);
          assert.deepEqual(plan, runs);
          target = await RowWriter.create(directory, files);
          const context = await readContext(plan, oldRow);
          await copyOld(plan, oldRow, target, () => {});
          const parts = await Promise.all(
            partsOf(runs).map((blocks) =>
              encodePart(
                Buffer.concat(blocks.map((each) => all.subarray(each * blockSize, (each + 1) * blockSize))),
                context,
              ),
            ),
          );
          await placeParts(plan, context, async (at) => parts[at] ?? Buffer.alloc(0), target);
          await target.close();
          await check('pack');
        } finally {
          await oldRow.close();
          await newRow.close();
        }
      }),
      { numRuns: 6 },
    ),
  ));

test('a block store holds each block once, and no fetched frame holds a block of the known older release', () => {
  fc.assert(
    fc.property(numbers, numbers, numbers, fc.integer({ min: 1, max: 9 }), (next, newer, older, slots) => {
      const index = {
        classes: classify(prefixes(bytesOf(next)), [newer, older].map(bytesOf).map(prefixes)),
        prefixes: prefixes(bytesOf(next)),
      };
      const order = orderBlocks(index, slots);
      assert.equal(order.blockIn.length, new Set(next).size);
      for (const [at, number] of next.entries())
        assert.equal(next[order.blockIn[order.slotOf[at] ?? -1] ?? -1], number);
      assert.equal(
        order.frames.reduce((sum, frame) => sum + frame.slots, 0),
        order.blockIn.length,
      );
      for (const old of [newer, older]) {
        const known = new OldBlocks();
        known.addDigests(digestBlocks(bytesOf(old)), 0 as Location);
        const fetched = framesNeeded(planRuns(index, known), order).flatMap((number) =>
          slotsOf(order, number),
        );
        for (const slot of fetched) assert(!old.includes(next[order.blockIn[slot] ?? -1] ?? -1));
      }
    }),
    { numRuns: 50 },
  );
});

function slotsOf({ frames }: StoreOrder, number: number): number[] {
  const { firstSlot = 0, slots = 0 } = frames[number] ?? {};
  return Array.from({ length: slots }, (_, at) => firstSlot + at);
}

test('the context of a pack is the content that is not reused, up to the limit', () => {
  const run = (firstBlock: number, blocks: number, from: number): Run => ({
    ...{ firstBlock, blocks },
    from: from as Location,
  });
  assert.deepEqual(contextOf([run(0, 1, 3), run(1, 1, 16)], 30), [
    { start: 0, units: 3 },
    { start: 11, units: 5 },
    { start: 24, units: 6 },
  ]);
  const limited = contextOf([run(0, 1, 8)], 200_000);
  assert.equal(
    limited.reduce((sum, { units }) => sum + units, 0),
    65_536,
  );
});

test('rejects damaged plans, indexes, frames and parts', async () => {
  const runs: Run[] = [
    { firstBlock: 0, blocks: 5, from: 16 as Location },
    { firstBlock: 5, blocks: 300, from: undefined },
    { firstBlock: 305, blocks: 2, from: 0 as Location },
  ];
  const plan = encodePlan(runs);
  const isSound = (bytes: Uint8Array) => {
    try {
      const found = decodePlan(bytes, 307, 400);
      assert.equal(
        found.reduce((sum, { blocks }) => sum + blocks, 0),
        307,
      );
      for (const { from, blocks } of found)
        assert(from === undefined || (from >= 0 && from + blocks * unitsPerBlock <= 400));
    } catch (error) {
      assert(isFailure(error, 'delta.pack'), String(error));
    }
  };
  isSound(plan);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 20 }), isSound));
  fc.assert(
    fc.property(fc.nat(plan.length - 1), fc.nat(255), (at, value) =>
      isSound(Buffer.from(plan).fill(value, at, at + 1)),
    ),
  );
  const malformed = { code: 'delta.pack' };
  assert.throws(() => decodePlan(Buffer.concat([plan, Buffer.of(0)]), 307, 400), malformed);
  assert.throws(() => decodePlan(plan.subarray(0, -1), 307, 400), malformed);
  assert.throws(() => decodePlan(plan, 306, 400), malformed);
  assert.throws(() => decodePlan(plan, 307, 55), malformed);
  assert.throws(() => decodePlan(Buffer.of(0x82, 0x00), 1, 8), malformed); // two bytes where one suffices

  const index = encodeBlockIndex({ classes: new Uint8Array(3), prefixes: Buffer.alloc(18) });
  for (const bytes of [index.subarray(1), index.subarray(0, -1), Buffer.alloc(0), Buffer.from('x')])
    assert.throws(() => decodeBlockIndex(bytes, 3), { code: 'delta.index' });
  assert.throws(() => decodeBlockIndex(index, 2), { code: 'delta.index' });
  assert.throws(() => decodeBlockIndex(index, 4), { code: 'delta.index' });

  const data = bytesOf([1, 2, 3]);
  const bomb = await compressFrame(Buffer.alloc(1 << 24), 'quick');
  for (const effort of ['quick', 'thorough'] as const) {
    const frame = await compressFrame(data, effort);
    assert((await decompressFrame(frame, data.length)).equals(data));
    await assert.rejects(decompressFrame(frame, data.length + 1), { code: 'delta.frame' });
    await assert.rejects(decompressFrame(frame.subarray(0, -2), data.length), { code: 'delta.frame' });
    await assert.rejects(decompressFrame(Buffer.concat([Buffer.of(9), frame]), data.length), {
      code: 'delta.frame',
    });
  }
  await assert.rejects(decompressFrame(bomb, 4096), { code: 'delta.frame' });
  const part = await encodePart(data, bytesOf([4]));
  assert((await decodePart(part, bytesOf([4]), data.length)).equals(data));
  await assert.rejects(decodePart(part, bytesOf([4]), data.length - 1), malformed);
  await assert.rejects(decodePart(part.subarray(0, -3), bytesOf([4]), data.length), malformed);
});

test('places files one after the other, each in its own blocks', () => {
  assert.deepEqual(
    placeFiles([
      { name: 'a', size: 4096 },
      { name: 'b', size: 4097 },
      { name: 'c', size: 1 },
    ]).map(({ firstBlock, blocks }) => [firstBlock, blocks]),
    [
      [0, 1],
      [1, 2],
      [3, 1],
    ],
  );
});
