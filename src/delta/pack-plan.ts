import { failure, type HoldfastError } from '../base/errors.ts';
import { type Location, unitsPerBlock } from './old-blocks.ts';
import type { Run } from './plan.ts';

/** Numbers of a plan stay below this: 4 GiB of blocks, or of units, and their differences. */
const numberLimit = 2 ** 32;

/**
 * The plan inside a pack: for each run, its length doubled, plus one when the host has it; then how far it lies from where
 * the last one that the host has ended (zigzag). LEB128, the shortest form only.
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
 * @param blocks how many blocks the plan must cover. @param oldUnits how many units the host has.
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
    if (length === 0 || firstBlock + length > blocks) throw malformed(`a run of ${length} blocks`);
    let from: Location | undefined;
    if (word % 2 === 1) {
      const zigzag = readNumber(reader);
      from = (expected + (zigzag % 2 === 1 ? -(zigzag + 1) / 2 : zigzag / 2)) as Location;
      expected = from + length * unitsPerBlock;
      if (from < 0 || expected > oldUnits) throw malformed(`a run at unit ${from}`);
    }
    runs.push({ firstBlock, blocks: length, from });
    firstBlock += length;
  }
  if (reader.at !== bytes.length) throw malformed('bytes behind its end');
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
  return failure('delta.pack', 'the pack between the two releases is malformed', {
    why,
    next: 'tell whoever publishes the repository',
  });
}
