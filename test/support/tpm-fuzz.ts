import assert from 'node:assert/strict';
import { allowedCommands } from '../../src/tpm/broker/allowed-commands.ts';
import { deniedCommands } from '../../src/tpm/broker/denied-commands.ts';
import { responseCodes } from '../../src/tpm/codec/response-codes.ts';
import { commandOf, handleOf, outcomeOf, ownHandles, ownObject, ownSession } from './tpm-commands.ts';

/** Every response code of a rejection: TCG TPM 2.0 Library Part 2, section 6.6. */
function isKnown(code: number): boolean {
  const formatOne = (code & 0x080) !== 0;
  const bare = formatOne ? code & 0x0bf : code;
  const known: readonly number[] = Object.values(responseCodes);
  return known.includes(bare) || (code >= 0x910 && code <= 0x91e);
}

/** Mulberry32: the same numbers for the same seed, so that failures are reproducible. */
export function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const forbidden: readonly number[] = deniedCommands.map(({ code }) => code);

/** Returns a well-formed command with some bytes changed, removed or added, and the correct size. */
export function arbitraryCommand(random: (below: number) => number): Buffer {
  const spec = allowedCommands[random(allowedCommands.length)];
  assert.ok(spec);
  const handles = spec.handles.map((roles) => handleOf[roles[random(roles.length)] ?? 'null']);
  let bytes = commandOf(spec, handles, Buffer.alloc(random(64), random(256)));
  for (let change = random(6); change > 0; change--) bytes[random(bytes.length)] = random(256);
  if (random(4) === 0) bytes = bytes.subarray(0, 10 + random(bytes.length - 9));
  if (random(8) === 0) bytes.writeUInt32BE(forbidden[random(forbidden.length)] ?? 0, 6);
  bytes.writeUInt32BE(bytes.length, 2);
  return bytes;
}

/**
 * Judges such commands. Each must pass or be rejected with a valid response code; commands that the table denies must never pass.
 * @returns the number of commands that passed.
 */
export function checkArbitrary(count: number, seed: number): number {
  const random = generator(seed);
  const own = ownHandles(ownObject, ownSession);
  let passed = 0;
  for (let done = 0; done < count; done++) {
    const bytes = arbitraryCommand(random);
    const outcome = outcomeOf(bytes, own);
    if (typeof outcome === 'number') {
      assert.ok(isKnown(outcome), `0x${outcome.toString(16)}: ${bytes.toString('hex')}`);
    } else {
      assert.ok(!forbidden.includes(bytes.readUInt32BE(6)), bytes.toString('hex'));
      passed += 1;
    }
  }
  return passed;
}
