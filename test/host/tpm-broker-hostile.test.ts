import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { allowedCommands } from '../../src/tpm/broker/allowed-commands.ts';
import { mostConnections } from '../../src/tpm/broker/broker.ts';
import { deniedCommands } from '../../src/tpm/broker/denied-commands.ts';
import { message, tagged } from '../../src/tpm/codec/message.ts';
import { sized, u16, u32 } from '../../src/tpm/codec/wire.ts';
import { type FakeGuest, startFakeGuest, startSwtpm } from '../support/swtpm.ts';
import { area, authorization, password } from '../support/tpm-commands.ts';
import { arbitraryCommand, generator } from '../support/tpm-fuzz.ts';
import { codesOf, random, talk } from '../support/tpm-talk.ts';

/*
 * Input from a guest that no tool would send.
 */

const swtpm = await startSwtpm();
const unlimited = { rate: { burst: 1e9, perSecond: 1e9 } };
const guest = await startFakeGuest(swtpm, 'guest', swtpm.socket, unlimited);
after(async () => {
  await guest.end();
  await swtpm.remove();
});

test('denies every command code that is not on the allowlist, in any form', async () => {
  const allowed = new Set(allowedCommands.map(({ code }) => code));
  const codes = Array.from({ length: 0x300 }, (_, code) => code).filter((code) => !allowed.has(code));
  const all = [...codes, ...codes.map((code) => 0x2000_0000 + code)];
  for (const { code, name } of deniedCommands) assert.ok(all.includes(code), name);
  const bare = await talk(guest, all.length, Buffer.concat(all.map((code) => message(code))));
  assert.deepEqual(new Set(codesOf(bare)), new Set([0x143]));
  const withHandles = all.map((code) =>
    tagged(0x8002, code, [u32(0x4000_000c), u32(0x0150_0001), area(password)]),
  );
  const full = await talk(guest, all.length, Buffer.concat(withHandles));
  assert.equal(full.length, all.length);
  assert.deepEqual(new Set(codesOf(full)), new Set([0x143]));
});

test('rejects malformed commands with the response code of the TPM itself', async () => {
  const badTag = random(8);
  badTag.writeUInt16BE(0x00c4);
  const cases: readonly (readonly [string, Buffer])[] = [
    ['tag', badTag],
    ['unknown command', message(0x0000_0777)],
    ['truncated handle', message(0x173, u16(0x8000))],
    ['handle of another type', message(0x169, u32(0x4000_0001))],
    ['object that is not there', message(0x173, u32(0x8000_0002))],
    ['authorization missing', message(0x131, u32(0x4000_000b), Buffer.alloc(40))],
    ['authorizations too short', tagged(0x8002, 0x17b, [u32(8), password, u16(4)])],
    ['authorizations too long', tagged(0x8002, 0x17b, [u32(0xffff), password, u16(4)])],
    ['authorizations without a size', tagged(0x8002, 0x17b, [u16(0)])],
    ['truncated authorization', tagged(0x8002, 0x17b, [area(password, u16(0)), u16(4)])],
    [
      'digest too long',
      tagged(0x8002, 0x17b, [
        area(Buffer.concat([u32(0x4000_0009), sized(Buffer.alloc(65)), Buffer.alloc(3)])),
        u16(4),
      ]),
    ],
    ['session that is not there', tagged(0x8002, 0x17b, [area(authorization(0x0200_0005)), u16(4)])],
    ['sessions where none may be', tagged(0x8002, 0x165, [area(password), u32(0x8000_0000)])],
    ['flush of what is not there', message(0x165, u32(0x8000_0001))],
    ['flush of an unflushable handle', message(0x165, u32(0x4000_0001))],
    ['truncated parameter', message(0x165, u16(0x8000))],
    ['more than the parameters', message(0x17b, u16(8), u16(0))],
    ['parameters missing', message(0x17b)],
  ];
  for (const [name, command] of cases) {
    const [ours] = codesOf(await talk(guest, 1, command));
    const [theirs] = codesOf(await talk(swtpm, 1, command));
    assert.equal(ours?.toString(16), theirs?.toString(16), name);
  }
});

test('ten thousand damaged commands leave the TPM unchanged', async () => {
  const state = async () => {
    const lists = ['handles-nv-index', 'handles-persistent', 'properties-variable', 'pcrs'];
    const told = await Promise.all(lists.map((list) => swtpm.tool('tpm2_getcap', list)));
    assert.ok(told.every(({ code }) => code === 0));
    return told.map(({ stdout }) => stdout.toString());
  };
  const defined = await swtpm.tool('tpm2_nvdefine', '0x1500001', '-s', '8', '-a', 'authread|ownerwrite');
  assert.equal(defined.code, 0);
  const before = await state();
  const next = generator(4711);
  for (let round = 0; round < 20; round++) {
    const commands = Array.from({ length: 500 }, () => arbitraryCommand(next));
    assert.equal((await talk(guest, commands.length, Buffer.concat(commands))).length, commands.length);
  }
  assert.deepEqual(await state(), before);
});

test('accepts commands in pieces and several at once, and drops truncated ones', async () => {
  const one = random(4);
  const bytewise = [...one].map((byte) => Buffer.of(byte));
  assert.deepEqual(
    (await talk(guest, 1, ...bytewise)).map((response) => response.length),
    [16],
  );
  const many = await talk(
    guest,
    100,
    Buffer.concat(Array.from({ length: 100 }, (_, count) => random(count % 32))),
  );
  assert.deepEqual(
    many.map((response) => response.readUInt16BE(10)),
    Array.from({ length: 100 }, (_, count) => count % 32),
    'answered in order',
  );
  const client = connect(guest.socket);
  client.end(one.subarray(0, 7));
  assert.deepEqual(await client.toArray(), [], 'half a command gets no answer');
  // a guest that ends its half still receives its responses
  const half = connect({ path: guest.socket, allowHalfOpen: true });
  half.end(Buffer.concat([one, one]));
  assert.equal(Buffer.concat(await half.toArray()).length, 32);
});

test('an invalid size ends the connection after the preceding commands', async () => {
  for (const size of [0, 9, 4097, 0x7fff_ffff]) {
    const bad = random(4);
    bad.writeUInt32BE(size, 2);
    assert.deepEqual(codesOf(await talk(guest, 99, Buffer.concat([random(4), bad, random(4)]))), [0, 0x142]);
  }
});

test('interleaves connections of one guest, each with its own responses', async () => {
  const both = await Promise.all(
    [7, 11, 13].map(async (size) => talk(guest, 50, ...Array.from({ length: 50 }, () => random(size)))),
  );
  assert.deepEqual(
    both.map((responses) => new Set(responses.map((response) => response.readUInt16BE(10)))),
    [new Set([7]), new Set([11]), new Set([13])],
  );
});

test('limits the connections of a guest', async () => {
  const clients = Array.from({ length: mostConnections }, () => connect(guest.socket));
  await Promise.all(clients.map((client) => once(client, 'connect')));
  assert.deepEqual(await talk(guest, 1, random(4)), []);
  for (const client of clients) client.destroy();
  await sleep(50);
  assert.equal((await talk(guest, 1, random(4))).length, 1);
});

test('a guest cannot fill the log', async () => {
  const other = await startFakeGuest(swtpm, 'noisy', swtpm.socket, unlimited);
  await talk(other, 500, Buffer.concat(Array.from({ length: 500 }, () => message(0x126))));
  assert.ok(other.log.length >= 10 && other.log.length <= 30, `${other.log.length} lines`);
  await other.end();
});

test('delays a guest that exceeds its rate, but not other guests', async () => {
  const slow = await startFakeGuest(swtpm, 'slow', swtpm.socket, { rate: { burst: 10, perSecond: 50 } });
  const began = performance.now();
  assert.equal((await talk(slow, 30, Buffer.concat(Array.from({ length: 30 }, () => random(1))))).length, 30);
  const took = performance.now() - began;
  assert.ok(took >= 380, `20 more than the burst came within ${took} ms`);
  await slow.end();
});

test('provisions two guests concurrently on one TPM without a resource manager', async (context) => {
  const guests = await Promise.all(
    ['one', 'two'].map((name) => startFakeGuest(swtpm, name, swtpm.socket, unlimited)),
  );
  context.after(() => Promise.all(guests.map((each) => each.end())));
  const provision = async ({ tool }: FakeGuest) => {
    const done = [
      await tool('tpm2_createek', '-G', 'ecc', '-c', 'ek.ctx', '-u', 'ek.pub'),
      await tool('tpm2_createak', '-C', 'ek.ctx', '-G', 'ecc', '-g', 'sha256', '-s', 'ecdsa', '-c', 'ak.ctx'),
      await tool('tpm2_hash', '-g', 'sha256', '-t', 'ticket', '-o', 'digest', 'ek.pub'),
      await tool(
        'tpm2_sign',
        '-c',
        'ak.ctx',
        '-g',
        'sha256',
        '-t',
        'ticket',
        '-d',
        'digest',
        '-o',
        'signature',
      ),
    ];
    return done.map(({ code, stderr }) => (code === 0 ? '' : stderr));
  };
  assert.deepEqual(
    await Promise.all(guests.map(provision)),
    guests.map(() => ['', '', '', '']),
  );
  await Promise.all(guests.map((each) => each.end()));
  for (const list of ['handles-transient', 'handles-loaded-session', 'handles-saved-session']) {
    assert.equal((await swtpm.tool('tpm2_getcap', list)).stdout.toString(), '', list);
  }
});
