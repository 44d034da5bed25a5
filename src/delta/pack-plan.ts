import { failure, type HoldfastError } from '../base/errors.ts';
import { type Location, unitsPerBlock } from './old-blocks.ts';
import type { Run } from './plan.ts';

/**
 * Limit for the numbers in a plan: blocks and units of 4 GiB, and their differences, stay below it.
 */
const numberLimit = 2 ** 32;

/**
 * Encodes the plan in a pack. For each run: its length doubled, plus one if the host has it; in
 * that case also the distance from the end of the previous run that the host has, in zigzag
 * encoding. Numbers are LEB128 in the shortest form.
 */
export function encodePlan(runs: readonly Run[]): Buffer {
  const bytes: number[] = [];
  let expected = 0;
  for (const { blocks, from } of runs) {
    pushNumber(bytes, blocks * 2 + (from === undefined ? 0 : 1));
    if (from === undefined) continue;
    const distance = from - expected;
    pushNumber(bytes, distance < 0 ? -distance * 2 - 1 : distance * 2);
    expected = from + blocks * unitsPerBlock;
  }
  return Buffer.from(bytes);
}

/**
 * Decodes the plan in a pack.
 * @param blocks number of blocks that the plan must cover.
 * @param oldUnits number of units that the host has.
 * @throws HoldfastError `delta.pack`.
 */
export function decodePlan(bytes: Uint8Array, blocks: number, oldUnits: number): Run[] {
  const reader = { bytes, at: 0 };
  const runs: Run[] = [];
  let firstBlock = 0;
  let expected = 0;
  while (firstBlock < blocks) {
    const word = readNumber(reader);
    const length = Math.floor(word / 2);
    if (length === 0 || firstBlock + length > blocks) throw malformed(`it has a run of ${length} blocks`);
    let from: Location | undefined;
    if (word % 2 === 1) {
      const zigzag = readNumber(reader);
      from = (expected + (zigzag % 2 === 1 ? -(zigzag + 1) / 2 : zigzag / 2)) as Location;
      expected = from + length * unitsPerBlock;
      if (from < 0 || expected > oldUnits) throw malformed(`it has a run at unit ${from}`);
    }
    runs.push({ firstBlock, blocks: length, from });
    firstBlock += length;
  }
  if (reader.at !== bytes.length) throw malformed('bytes follow its end');
  return runs;
}

function pushNumber(bytes: number[], value: number): void {
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
}

function readNumber(reader: { readonly bytes: Uint8Array; at: number }): number {
  let value = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = reader.bytes[reader.at];
    if (byte === undefined) throw malformed('it ends early');
    reader.at += 1;
    value += (byte % 128) * factor;
    if (value >= numberLimit) throw malformed('a number is too large');
    if (byte >= 128) continue;
    if (byte === 0 && factor > 1) throw malformed('a number is not in its shortest form');
    return value;
  }
}

function malformed(why: string): HoldfastError {
  return failure('delta.pack', 'cannot read the pack between the two releases', {
    why,
    next: 'report this to the publisher of the repository',
  });
}
