import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowedCommands, type HandleRole } from '../../../../src/tpm/broker/allowed-commands.ts';
import { deniedCommands } from '../../../../src/tpm/broker/denied-commands.ts';
import { commandCodes } from '../../../../src/tpm/codec/command-codes.ts';
import { message } from '../../../../src/tpm/codec/message.ts';
import { sized, u16, u32 } from '../../../../src/tpm/codec/wire.ts';
import {
  commandOf,
  handleOf,
  outcomeOf,
  ownHandles,
  ownObject,
  ownSession,
} from '../../../support/tpm-commands.ts';

const commandCode = 0x143;

/** Every code from the first to the last that TPM 2.0 Part 2, section 6.5.2, names: 0x15a, 0x15f, 0x166 and 0x175 are free. */
const named = Array.from({ length: 0x1a1 - 0x11f + 1 }, (_, offset) => 0x11f + offset).filter(
  (code) => ![0x123, 0x15a, 0x15f, 0x166, 0x175].includes(code),
);

test('each command of the specification is either allowed or denied, with a reason', () => {
  const all = [...allowedCommands, ...deniedCommands];
  const known = all.map(({ code }) => code);
  assert.deepEqual(
    known.toSorted((a, b) => a - b),
    [...named, 0x2000_0000],
  );
  assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
  for (const { name, reason } of all) assert.ok(reason.length > 10, name);
});

test('every other command is denied, also those of vendors and unknown codes', () => {
  const allowed = new Set(allowedCommands.map(({ code }) => code));
  for (let code = 0; code <= 0x3ff; code++) {
    for (const each of [code, code * 0x0001_0001, 0x2000_0000 + code]) {
      if (!allowed.has(each)) assert.equal(outcomeOf(message(each, Buffer.alloc(64))), commandCode);
    }
  }
});

test('commands that would change the host are never allowed', () => {
  const never = [
    ...['NV_Write', 'NV_DefineSpace', 'NV_UndefineSpace', 'NV_Increment', 'NV_Extend', 'NV_SetBits'],
    ...['Clear', 'HierarchyControl', 'HierarchyChangeAuth', 'ChangeEPS', 'ChangePPS', 'EvictControl'],
    ...['DictionaryAttackLockReset', 'DictionaryAttackParameters', 'PCR_Extend', 'PCR_Reset', 'Quote'],
  ];
  const denied = new Set(deniedCommands.map(({ name }) => name));
  for (const name of never) assert.ok(denied.has(name), name);
});

/** Handles that fit no role: the platform, the lockout, a PCR, a resource of another, nothing at all. */
const alien = [0x4000_000c, 0x4000_000a, 0x0000_0007, 0x8000_0001, 0x0300_0007, 0x0200_0000, 0x9000_0000];

const parameters: Readonly<Record<number, Buffer>> = {
  [commandCodes.flushContext]: u32(ownObject),
  [commandCodes.contextLoad]: Buffer.concat([Buffer.alloc(8), u32(ownObject), Buffer.alloc(8)]),
  [commandCodes.createPrimary]: Buffer.concat([
    sized(u16(0), u16(0)),
    sized(u16(1), u16(0x0b), u32(0x0003_00b2)),
  ]),
  [commandCodes.getCapability]: Buffer.concat([u32(6), u32(0x100), u32(1)]),
};

for (const spec of allowedCommands) {
  const body = parameters[spec.code] ?? Buffer.alloc(0);
  const good = spec.handles.map((roles) => handleOf[roles[0] ?? 'null']);

  test(`${spec.name} passes with each handle that the table allows, and with no other`, () => {
    const passes = (handles: readonly number[]) =>
      typeof outcomeOf(commandOf(spec, handles, body)) !== 'number';
    assert.ok(passes(good));
    for (const [index, roles] of spec.handles.entries()) {
      for (const [role, handle] of Object.entries(handleOf)) {
        const allowed = roles.includes(role as HandleRole);
        assert.equal(passes(good.with(index, handle)), allowed, `handle ${index + 1}: ${role}`);
      }
      for (const handle of alien) assert.ok(!passes(good.with(index, handle)), `0x${handle.toString(16)}`);
    }
  });

  test(`${spec.name} is denied without its handles and authorizations`, () => {
    const whole = commandOf(spec, good, body);
    if (spec.authorizations > 0) {
      assert.equal(outcomeOf(message(spec.code, ...good.map(u32), body)), 0x125); // authorization missing
    }
    if (spec.handles.length > 0) {
      const handlesEnd = 10 + 4 * spec.handles.length;
      const code = 0x09a | (spec.handles.length << 8); // insufficient, the last handle
      assert.equal(outcomeOf(whole.subarray(0, handlesEnd - 1)), code);
    }
    const untagged = Buffer.from(whole);
    untagged.writeUInt16BE(0x00c1); // TPM 1.2's
    assert.equal(outcomeOf(untagged), 0x01e);
  });

  test(`${spec.name} is denied to a guest without objects, if it takes own handles`, () => {
    const nothing = outcomeOf(commandOf(spec, good, body), ownHandles());
    const takesOwn = spec.handles.some(([role]) => role === 'own' || role === 'session');
    const isFlush = spec.code === commandCodes.flushContext;
    assert.equal(typeof nothing === 'number', takesOwn || isFlush);
  });
}

test('sessions of other guests and handles of other types are not own sessions', () => {
  const spec = allowedCommands.find(({ name }) => name === 'PolicyGetDigest');
  assert.ok(spec);
  assert.equal(typeof outcomeOf(commandOf(spec, [ownSession])), 'object');
  assert.equal(outcomeOf(commandOf(spec, [ownSession + 1])), 0x910);
  assert.equal(outcomeOf(commandOf(spec, [0x4000_0001])), 0x184);
});
