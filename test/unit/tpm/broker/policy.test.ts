import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  GuestSessions,
  mostLoadedSessions,
  mostObjects,
  mostSessions,
  OwnHandles,
} from '../../../../src/tpm/broker/ownership.ts';
import { commandCodes } from '../../../../src/tpm/codec/command-codes.ts';
import type { Handle } from '../../../../src/tpm/codec/handles.ts';
import { message, tagged } from '../../../../src/tpm/codec/message.ts';
import { sized, u16, u32 } from '../../../../src/tpm/codec/wire.ts';
import {
  area,
  authorization,
  outcomeOf,
  ownHandles,
  ownObject,
  ownSession,
  password,
} from '../../../support/tpm-commands.ts';

const endorsement = u32(0x4000_000b);
const sensitive = sized(u16(0), u16(0));

function createPrimary(type: number, attributes: number): Buffer {
  const template = sized(u16(type), u16(0x0b), u32(attributes), Buffer.alloc(20));
  return tagged(0x8002, commandCodes.createPrimary, [endorsement, area(password), sensitive, template]);
}

test('a primary key can only be a parent', () => {
  const [restricted, decrypt, sign] = [1 << 16, 1 << 17, 1 << 18];
  assert.equal(typeof outcomeOf(createPrimary(0x0001, restricted | decrypt)), 'object');
  assert.equal(typeof outcomeOf(createPrimary(0x0023, restricted | decrypt)), 'object');
  for (const attributes of [0, sign, decrypt, restricted, restricted | sign, sign | decrypt]) {
    assert.equal(outcomeOf(createPrimary(0x0001, attributes)), 0x2c2);
  }
  assert.equal(outcomeOf(createPrimary(0x0001, restricted | decrypt | sign)), 0x2c2);
  for (const type of [0x0008, 0x0025])
    assert.equal(outcomeOf(createPrimary(type, restricted | decrypt)), 0x2ca);
  const cut = tagged(0x8002, commandCodes.createPrimary, [
    endorsement,
    area(password),
    sensitive,
    u16(4),
    u16(1),
  ]);
  assert.equal(outcomeOf(cut), 0x1da); // insufficient, parameter
});

test('sessions of others authorize nothing, and malformed areas are denied', () => {
  const nvRead = (authorizations: Buffer) =>
    outcomeOf(
      tagged(0x8002, commandCodes.nvRead, [
        u32(0x0150_0001),
        u32(0x0150_0001),
        authorizations,
        u16(8),
        u16(0),
      ]),
    );
  assert.deepEqual(nvRead(area(password)), { examine: [0x0150_0001] });
  assert.equal(typeof nvRead(area(authorization(ownSession))), 'object');
  assert.equal(nvRead(area(authorization(ownSession + 1))), 0x918);
  assert.equal(nvRead(area(password, authorization(0x0200_0000))), 0x919);
  assert.equal(nvRead(area(authorization(ownObject))), 0x918);
  assert.equal(nvRead(area()), 0x095);
  assert.equal(nvRead(area(password, password, password, password)), 0x144);
  assert.equal(nvRead(Buffer.concat([u32(0xffff_ffff), password])), 0x095);
  assert.equal(nvRead(Buffer.concat([u32(8), password])), 0x095);
  assert.equal(nvRead(area(password, Buffer.alloc(1))), 0xa9a);
  const longNonce = Buffer.concat([u32(0x4000_0009), sized(Buffer.alloc(65)), Buffer.of(1), u16(0)]);
  assert.equal(nvRead(area(longNonce)), 0x995);
});

test('handles whose authorization can be guessed are examined, hierarchies are not', () => {
  const policySecret = (handle: number) =>
    outcomeOf(tagged(0x8002, 0x151, [u32(handle), u32(ownSession), area(password)]));
  assert.deepEqual(policySecret(0x4000_000b), { examine: [] });
  assert.deepEqual(policySecret(ownObject), { examine: [ownObject] });
  const create = outcomeOf(tagged(0x8002, 0x153, [u32(0x8100_0001), area(password)]));
  assert.deepEqual(create, { examine: [0x8100_0001] });
});

test('bound sessions are denied', () => {
  const startSession = (bind: number) =>
    outcomeOf(message(commandCodes.startAuthSession, u32(0x4000_0007), u32(bind), Buffer.alloc(20)));
  assert.equal(typeof startSession(0x4000_0007), 'object');
  for (const bind of [0x8101_0001, ownObject, 0x0150_0001, 0x4000_0001]) {
    assert.equal(typeof startSession(bind), 'number');
  }
});

test('FlushContext and ContextLoad take own sessions only, also saved ones', () => {
  const sessions = new GuestSessions();
  const one = new OwnHandles(sessions);
  const two = new OwnHandles(sessions);
  one.add(ownSession, 0);
  one.add(ownObject, 0);
  const flushOf = (handle: number) => message(commandCodes.flushContext, u32(handle));
  const loadOf = (handle: number) =>
    message(commandCodes.contextLoad, Buffer.alloc(8), u32(handle), Buffer.alloc(8));
  const policy = message(0x189, u32(ownSession));
  assert.equal(typeof outcomeOf(policy, one), 'object');
  assert.equal(outcomeOf(policy, two), 0x910, 'loaded in another connection');
  one.save(ownSession, 0);
  one.save(ownObject, 0);
  assert.equal(outcomeOf(policy, one), 0x910, 'saved sessions are not there');
  assert.equal(typeof outcomeOf(flushOf(ownObject), one), 'object', 'saved objects are');
  assert.equal(typeof outcomeOf(loadOf(ownSession), two), 'object');
  assert.equal(typeof outcomeOf(flushOf(ownSession), two), 'object');
  assert.equal(outcomeOf(flushOf(ownObject), two), 0x1cb);
  assert.equal(outcomeOf(loadOf(ownSession + 1), two), 0x1cb);
  assert.equal(outcomeOf(flushOf(0x8101_0001), one), 0x1c4);
  assert.equal(outcomeOf(message(commandCodes.flushContext, u16(0)), one), 0x1da);
  const withSession = tagged(0x8002, commandCodes.flushContext, [area(password), u32(ownObject)]);
  assert.equal(outcomeOf(withSession, one), 0x145);
});

test('the objects and sessions of a guest are limited', () => {
  const own = ownHandles();
  const hash = message(0x186, u16(0), u16(0x0b));
  const session = message(
    commandCodes.startAuthSession,
    u32(0x4000_0007),
    u32(0x4000_0007),
    Buffer.alloc(20),
  );
  for (let count = 0; count < mostObjects; count++) {
    assert.equal(typeof outcomeOf(hash, own), 'object');
    own.add((0x8000_0000 + count) as Handle, 0);
  }
  assert.equal(outcomeOf(hash, own), 0x902);
  for (let count = 0; count < mostSessions; count++) {
    assert.equal(typeof outcomeOf(session, own), 'object');
    own.add((0x0200_0000 + count) as Handle, 0);
    own.save((0x0200_0000 + count) as Handle, 0); // saved ones count
  }
  assert.equal(outcomeOf(session, own), 0x905);
  const loaded = ownHandles();
  for (let count = 0; count < mostLoadedSessions; count++) {
    assert.equal(typeof outcomeOf(session, loaded), 'object');
    loaded.add((0x0300_0000 + count) as Handle, 0);
  }
  assert.equal(outcomeOf(session, loaded), 0x903);
  own.remove(0x0200_0000 as Handle);
  assert.equal(typeof outcomeOf(session, own), 'object');
});

test('lists of handles contain those of the guest only', () => {
  const own = ownHandles(0x8000_0001 as Handle, ownObject, ownSession, 0x0200_0005 as Handle);
  own.save(0x0200_0005 as Handle, 0);
  const list = (property: number, count = 64) => {
    const outcome = outcomeOf(message(commandCodes.getCapability, u32(1), u32(property), u32(count)), own);
    assert.ok(typeof outcome === 'object' && 'answer' in outcome);
    const { answer } = outcome;
    assert.equal(answer.readUInt32BE(2), answer.length);
    assert.equal(answer.readUInt32BE(6), 0);
    const handles = Array.from({ length: answer.readUInt32BE(15) }, (_, at) =>
      answer.readUInt32BE(19 + 4 * at),
    );
    return { more: answer[10] === 1, handles };
  };
  assert.deepEqual(list(0x8000_0000), { more: false, handles: [ownObject, 0x8000_0001] });
  assert.deepEqual(list(0x8000_0000, 1), { more: true, handles: [ownObject] });
  assert.deepEqual(list(0x8000_0001), { more: false, handles: [0x8000_0001] });
  assert.deepEqual(list(0x0200_0000).handles, [ownSession]);
  assert.deepEqual(list(0x0300_0000).handles, [0x0200_0005]);
  assert.deepEqual(list(0x8000_0000, 0), { more: true, handles: [] });
  const ask = (...parts: Buffer[]) => outcomeOf(message(commandCodes.getCapability, ...parts), own);
  assert.deepEqual(ask(u32(1), u32(0x8100_0000), u32(64)), { examine: [] }, 'the host’s persistent ones');
  assert.equal(ask(u32(1), u32(0x8000_0000)), 0x1da);
  assert.equal(ask(u32(1), u32(0x8000_0000), u32(1), u32(0)), 0x1d5);
});
