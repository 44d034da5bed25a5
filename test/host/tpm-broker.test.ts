import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RunResult, run } from '../../src/base/process.ts';
import { sharesIn } from '../../src/tpm/broker/session-shares.ts';
import type { Handle } from '../../src/tpm/codec/handles.ts';
import { message } from '../../src/tpm/codec/message.ts';
import { sized, u16, u32 } from '../../src/tpm/codec/wire.ts';
import { hostTpm } from '../../src/tpm/host/host-tpm.ts';
import { readInformation } from '../../src/tpm/host/information.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeGuest, startFakeGuest, startSwtpm } from '../support/swtpm.ts';

/*
 * What a guest can and cannot do with stock tpm2-tools on a software TPM.
 */

const swtpm = await startSwtpm();
const unlimited = { rate: { burst: 1e9, perSecond: 1e9 } };
const guest = await startFakeGuest(swtpm, 'guest', swtpm.socket, unlimited);
const other = await startFakeGuest(swtpm, 'other', swtpm.socket, unlimited);
after(async () => {
  await guest.end();
  await other.end();
  await swtpm.remove();
});

function succeeded({ code, stdout, stderr }: RunResult): string {
  assert.equal(code, 0, stderr);
  return stdout.toString();
}

/** Checks that the tool failed with this response code. */
function refused({ code, stderr }: RunResult, response: string): void {
  assert.notEqual(code, 0, 'it was not rejected');
  assert.match(stderr, new RegExp(`\\(0x${response}\\)`, 'i'));
}

function pathOf({ socket }: FakeGuest, name: string): string {
  return join(dirname(socket), name);
}

/** TPM2_StartAuthSession: neither salted nor bound, a policy, no encryption, SHA-256. */
const startAuthSession = message(
  0x176,
  ...[u32(0x4000_0007), u32(0x4000_0007), sized(Buffer.alloc(16, 1)), sized()],
  ...[Buffer.of(1), u16(0x0010), u16(0x000b)],
);

test('a guest reads the properties of the TPM', async () => {
  assert.match(succeeded(await guest.tool('tpm2_getcap', 'properties-fixed')), /TPM2_PT_MANUFACTURER/);
  assert.match(succeeded(await guest.tool('tpm2_pcrread', 'sha256:0')), /0 : 0x0{64}/);
  assert.match(succeeded(await guest.tool('tpm2_getrandom', '--hex', '16')), /^[0-9a-f]{32}$/);
  succeeded(await guest.tool('tpm2_readclock'));
  succeeded(await guest.tool('tpm2_testparms', 'rsa2048'));
});

test('provisions a device: endorsement key, activated credential, its own signing key', async () => {
  succeeded(await guest.tool('tpm2_createek', '-G', 'rsa', '-c', 'ek.ctx', '-u', 'ek.pub'));
  const ak = ['-C', 'ek.ctx', '-c', 'ak.ctx', '-u', 'ak.pub', '-n', 'ak.name'];
  succeeded(await guest.tool('tpm2_createak', ...ak, '-G', 'rsa', '-g', 'sha256', '-s', 'rsassa'));
  await writeFile(pathOf(guest, 'secret'), 'from the service');
  const name = (await readFile(pathOf(guest, 'ak.name'))).toString('hex');
  const made = ['-T', 'none', '-e', 'ek.pub', '-s', 'secret', '-n', name, '-o', 'credential'];
  succeeded(await guest.tool('tpm2_makecredential', ...made)); // in software, as a provisioning service does
  succeeded(await guest.tool('tpm2_startauthsession', '--policy-session', '-S', 'session.ctx'));
  succeeded(await guest.tool('tpm2_policysecret', '-S', 'session.ctx', '-c', 'e'));
  const activated = ['-c', 'ak.ctx', '-C', 'ek.ctx', '-i', 'credential', '-o', 'activated'];
  succeeded(await guest.tool('tpm2_activatecredential', ...activated, '-P', 'session:session.ctx'));
  assert.equal(await readFile(pathOf(guest, 'activated'), 'utf8'), 'from the service');
  succeeded(await guest.tool('tpm2_flushcontext', 'session.ctx'));

  succeeded(await guest.tool('tpm2_createprimary', '-C', 'o', '-c', 'srk.ctx'));
  const key = ['-C', 'srk.ctx', '-u', 'key.pub', '-r', 'key.priv'];
  succeeded(await guest.tool('tpm2_create', ...key, '-G', 'ecc'));
  succeeded(await guest.tool('tpm2_load', ...key, '-c', 'key.ctx'));
  // longer than the limit of one command
  await writeFile(pathOf(guest, 'data'), Buffer.alloc(5000, 'data'));
  succeeded(await guest.tool('tpm2_sign', '-c', 'key.ctx', '-g', 'sha256', '-o', 'signature', 'data'));
  const signed = ['-c', 'key.ctx', '-g', 'sha256', '-m', 'data', '-s', 'signature'];
  succeeded(await guest.tool('tpm2_verifysignature', ...signed));
  await writeFile(pathOf(guest, 'data'), 'other data');
  assert.notEqual((await guest.tool('tpm2_verifysignature', ...signed)).code, 0);

  // a symmetric key from a service, imported as Microsoft's device provisioning does
  await writeFile(pathOf(guest, 'hmac.key'), Buffer.alloc(32, 7));
  const imported = ['-C', 'srk.ctx', '-G', 'hmac', '-i', 'hmac.key', '-u', 'hmac.pub', '-r', 'hmac.priv'];
  succeeded(await guest.tool('tpm2_import', ...imported));
  const hmac = ['-C', 'srk.ctx', '-u', 'hmac.pub', '-r', 'hmac.priv', '-c', 'hmac.ctx'];
  succeeded(await guest.tool('tpm2_load', ...hmac));
  succeeded(await guest.tool('tpm2_hmac', '-c', 'hmac.ctx', '-o', 'tag', 'data'));
});

test('leaves nothing in the TPM when a tool has ended without flushing', async () => {
  const lists = ['handles-transient', 'handles-loaded-session', 'handles-saved-session'];
  for (const list of lists) assert.equal(succeeded(await swtpm.tool('tpm2_getcap', list)), '', list);
});

test('a guest reads an NV index of the host with its authorization, and cannot write it', async () => {
  const index = '0x1500bb9'; // 3001, as in Microsoft's sample
  const attributes = 'authread|ownerwrite';
  succeeded(await swtpm.tool('tpm2_nvdefine', index, '-s', '8', '-a', attributes, '-p', 'opensesame'));
  await writeFile(join(swtpm.directory, 'value'), 'eight by');
  succeeded(await swtpm.tool('tpm2_nvwrite', index, '-C', 'o', '-i', 'value'));
  const read = await guest.tool('tpm2_nvread', index, '-C', index, '-P', 'opensesame');
  assert.equal(succeeded(read), 'eight by');
  assert.match(succeeded(await guest.tool('tpm2_nvreadpublic', index)), /size: 8/);

  await writeFile(pathOf(guest, 'value'), 'from the');
  refused(await guest.tool('tpm2_nvwrite', index, '-C', 'o', '-i', 'value'), '143');
  refused(await guest.tool('tpm2_nvundefine', index), '143');
  refused(await guest.tool('tpm2_nvdefine', '0x1500bba', '-s', '8'), '143');
  refused(await guest.tool('tpm2_nvreadlock', index, '-C', index), '143');
  const after = await swtpm.tool('tpm2_nvread', index, '-C', index, '-P', 'opensesame');
  assert.equal(succeeded(after), 'eight by');
});

test('denies and logs commands that change the host', async () => {
  guest.log.length = 0;
  const tools: readonly (readonly string[])[] = [
    ['tpm2_clear'],
    ['tpm2_changeauth', '-c', 'o', 'new'],
    ['tpm2_dictionarylockout', '--clear-lockout'],
    ['tpm2_pcrextend', `0:sha256=${'00'.repeat(32)}`],
    ['tpm2_evictcontrol', '-C', 'o', '-c', 'srk.ctx', '0x81000005'],
    ['tpm2_hierarchycontrol', '-C', 'p', 'shEnable', 'clear'],
    ['tpm2_shutdown'],
  ];
  for (const words of tools) refused(await guest.tool(...words), '143');
  assert.equal(guest.log.length, tools.length);
  assert.match(guest.log[0] ?? '', /^denied: Clear: changes hierarchies/);
  // the host can do it: the commands themselves are valid
  succeeded(await swtpm.tool('tpm2_pcrextend', `16:sha256=${'00'.repeat(32)}`));
});

test('a guest has only the owner and endorsement hierarchies, and no key that the host may use', async () => {
  refused(await guest.tool('tpm2_createprimary', '-C', 'p', '-c', 'x.ctx'), '184'); // value, handle 1
  const signing = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign';
  const primary = ['tpm2_createprimary', '-C', 'o', '-G', 'ecc', '-c', 'x.ctx'];
  refused(await guest.tool(...primary, '-a', signing), '2c2'); // attributes, parameter 2
  succeeded(await swtpm.tool(...primary, '-a', signing));
  succeeded(await swtpm.tool('tpm2_evictcontrol', '-C', 'o', '-c', 'x.ctx', '0x81000010'));
  await writeFile(pathOf(guest, 'data'), 'data');
  const sign = ['tpm2_sign', '-c', '0x81000010', '-g', 'sha256', '-o', 'signature', 'data'];
  refused(await guest.tool(...sign), '184');
  assert.match(succeeded(await guest.tool('tpm2_readpublic', '-c', '0x81000010')), /ecc/);
});

test('a guest can neither see nor flush the objects and sessions of another', async () => {
  succeeded(await other.tool('tpm2_startauthsession', '--policy-session', '-S', 'session.ctx'));
  const list = ['tpm2_getcap', 'handles-saved-session'];
  const seen = succeeded(await other.tool(...list));
  const handle = /0x[0-9A-F]+/i.exec(seen)?.[0] ?? '';
  assert.notEqual(handle, '');
  assert.notEqual(succeeded(await swtpm.tool(...list)), '');
  assert.equal(succeeded(await guest.tool(...list)), '');
  refused(await guest.tool('tpm2_flushcontext', handle), '1cb'); // handle, parameter 1
  succeeded(await other.tool('tpm2_policysecret', '-S', 'session.ctx', '-c', 'e')); // it still exists
  // a copy of its context is useless for the other guest
  const context = await readFile(pathOf(other, 'session.ctx'));
  await writeFile(pathOf(guest, 'stolen.ctx'), context);
  refused(await guest.tool('tpm2_policysecret', '-S', 'stolen.ctx', '-c', 'e'), '1cb');
  await other.end();
  assert.equal(succeeded(await swtpm.tool(...list)), '', 'flushed when its guest went');
});

test('flushes the sessions of a guest that has become silent, and no others', async () => {
  const lists = ['handles-loaded-session', 'handles-saved-session'];
  const left = async () =>
    (await Promise.all(lists.map((list) => swtpm.tool('tpm2_getcap', list)))).map(succeeded).join('');
  const silent = await startFakeGuest(swtpm, 'silent', swtpm.socket, { ...unlimited, unusedLimit: 3000 });
  const startSession = () => silent.tool('tpm2_startauthsession', '--policy-session', '-S', 'session.ctx');
  succeeded(await startSession());
  // another session stays loaded by a connection that stays open, as no tool's does
  const open = connect(silent.socket);
  open.write(startAuthSession);
  await once(open, 'data');
  assert.notEqual(await left(), '');
  // the guest sends nothing more
  await eventually(async () => (await left()) === '', { within: 20_000, what: 'flushed sessions' });
  refused(await silent.tool('tpm2_policysecret', '-S', 'session.ctx', '-c', 'e'), '1cb');
  open.destroy();
  succeeded(await startSession());
  for (let uses = 0; uses < 5; uses++) {
    succeeded(await silent.tool('tpm2_policysecret', '-S', 'session.ctx', '-c', 'e'));
    await sleep(1000);
  }
  await silent.end();
  assert.equal(await left(), '');
});

test('the machines of a home share the sessions of the TPM', async () => {
  const shares = join(swtpm.directory, 'shares');
  const flushed: Handle[] = [];
  const member = () => sharesIn(shares, 'test', async (handles) => void flushed.push(...handles));
  const greedy = [member(), member(), member()];
  for (const each of greedy) assert.equal(await each.reserve(8), true);
  // 12 of 16 shares are taken; the last four are for machines that have none
  assert.equal(await greedy[0]?.reserve(9), false);
  const late = member();
  assert.equal(await late.reserve(2), true);
  assert.equal(await late.reserve(3), false);
  await greedy[1]?.settle(0, []);
  assert.equal(await late.reserve(8), true);
  // and through the broker
  await greedy[1]?.reserve(2);
  const others = Array.from({ length: 3 }, member);
  for (const each of others) assert.equal(await each.reserve(1), true);
  const refusing = await startFakeGuest(swtpm, 'refusing', swtpm.socket, { ...unlimited, shares: member() });
  const start = ['tpm2_startauthsession', '-S', 'session.ctx'];
  refused(await refusing.tool(...start), '905');
  await greedy[0]?.settle(0, []);
  succeeded(await refusing.tool(...start));
  succeeded(await refusing.tool('tpm2_flushcontext', 'session.ctx'));
  await refusing.end();
  for (const each of [...greedy, ...others, late]) await each.settle(0, []);
  assert.deepEqual(flushed, []);
});

test('the share of a process that died is free, and its sessions are flushed', async () => {
  const shares = join(swtpm.directory, 'orphans');
  const source = join(import.meta.dirname, '../../src/tpm/broker/session-shares.ts');
  const script = `const { sharesIn } = await import(${JSON.stringify(source)});
    const shares = sharesIn(${JSON.stringify(shares)}, 'child', async () => {});
    if (!(await shares.reserve(8))) process.exit(1);
    await shares.settle(8, [0x03000001, 0x40000001]);
    process.kill(process.pid, 'SIGKILL');`;
  await assert.rejects(run(process.execPath, ['--input-type=module', '-e', script]), /SIGKILL/);
  const flushed: Handle[] = [];
  const heirs = Array.from({ length: 4 }, () =>
    sharesIn(shares, 'heir', async (handles) => void flushed.push(...handles)),
  );
  for (const heir of heirs) await heir.reserve(8);
  assert.deepEqual(flushed, [0x03000001], 'a session, once, and nothing else');
  for (const heir of heirs) await heir.settle(0, []);
});

test('guests can use at most half of the attempts before the TPM locks', async () => {
  const index = '0x1500bc0';
  succeeded(await swtpm.tool('tpm2_nvdefine', index, '-s', '8', '-a', 'authread|ownerwrite', '-p', 'right'));
  await writeFile(join(swtpm.directory, 'value'), 'eight by');
  succeeded(await swtpm.tool('tpm2_nvwrite', index, '-C', 'o', '-i', 'value'));
  const guess = ['tpm2_nvread', index, '-C', index, '-P'];
  refused(await guest.tool(...guess, 'wrong'), '98e'); // authorization failed, session 1
  // swtpm locks after three attempts: half of them, rounded down, is one
  for (let tries = 0; tries < 5; tries++) refused(await guest.tool(...guess, 'wrong'), '921');
  const counter = succeeded(await swtpm.tool('tpm2_getcap', 'properties-variable'));
  assert.match(counter, /LOCKOUT_COUNTER: 0x1\b/);
  assert.equal(succeeded(await swtpm.tool(...guess, 'right')), 'eight by', 'the host is not locked out');
  succeeded(await swtpm.tool('tpm2_dictionarylockout', '--clear-lockout'));
  assert.equal(succeeded(await guest.tool(...guess, 'right')), 'eight by');
});

test('denies guests an index that counts its uses', async () => {
  const index = '0x1500bc1';
  const pin = ['-s', '8', '-a', 'nt=pinpass|authread|ownerwrite|no_da', '-p', 'right'];
  succeeded(await swtpm.tool('tpm2_nvdefine', index, ...pin));
  await writeFile(join(swtpm.directory, 'pin'), Buffer.from('0000000000000005', 'hex'));
  succeeded(await swtpm.tool('tpm2_nvwrite', index, '-C', 'o', '-i', 'pin'));
  refused(await guest.tool('tpm2_nvread', index, '-C', index, '-P', 'right'), '184');
  const counts = await swtpm.tool('tpm2_nvread', index, '-C', index, '-P', 'right');
  assert.equal(counts.stdout.readUInt32BE(0), 1, 'only the host used it');
});

test('reports the properties of the host TPM as tpm2-tools do', async () => {
  /** Flushes leftover objects, as the host has no resource manager. */
  const flushed = () => swtpm.tool('tpm2_flushcontext', '-t');
  await flushed();
  const said = await readInformation(hostTpm(swtpm.socket));
  assert.equal(succeeded(await swtpm.tool('tpm2_getcap', 'handles-transient')), '', 'it left nothing');
  assert.equal(said.manufacturer, 'IBM');
  assert.match(said.firmware, /^\d+\.\d+\.\d+\.\d+$/);
  succeeded(await swtpm.tool('tpm2_createek', '-G', 'rsa', '-c', 'ek.ctx', '-u', 'ek.pub'));
  await flushed();
  const file = await readFile(join(swtpm.directory, 'ek.pub'));
  assert.deepEqual(said.endorsementKey.tpm2b, file);
  assert.equal(
    said.endorsementKey.registrationId,
    createHash('sha256').update(file.subarray(2)).digest('hex'),
  );
  succeeded(await swtpm.tool('tpm2_readpublic', '-c', 'ek.ctx', '-f', 'pem', '-o', 'ek.pem'));
  await flushed();
  assert.equal(said.endorsementKey.pem, await readFile(join(swtpm.directory, 'ek.pem'), 'utf8'));

  // an existing key is read instead of created
  succeeded(await swtpm.tool('tpm2_createek', '-G', 'rsa', '-c', '0x81010001', '-u', 'kept.pub'));
  succeeded(await swtpm.tool('tpm2_changeauth', '-c', 'e', 'secret'));
  assert.deepEqual((await readInformation(hostTpm(swtpm.socket))).endorsementKey, said.endorsementKey);
  succeeded(await swtpm.tool('tpm2_evictcontrol', '-C', 'o', '-c', '0x81010001'));
  await assert.rejects(readInformation(hostTpm(swtpm.socket)), { code: 'tpm.refused' });
});
