import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { permanent } from '../../src/tpm/codec/handles.ts';
import { hierarchyRequests } from '../../src/tpm/codec/hierarchy-requests.ts';
import { requests } from '../../src/tpm/codec/requests.ts';
import { returnedHandle } from '../../src/tpm/codec/response.ts';
import { attestationKeyHandle, attestationKeyTemplate } from '../../src/tpm/virtual/attestation-key.ts';
import { enrolVirtualTpm } from '../../src/tpm/virtual/enrolment.ts';
import { withPrivateTpm } from '../../src/tpm/virtual/private-tpm.ts';
import {
  makeVirtualTpm,
  prepareVirtualTpm,
  readAttestationKey,
  virtualTpmProblems,
  virtualTpmState,
} from '../../src/tpm/virtual/virtual-tpm.ts';
import { asGuest, type MachineTpm } from '../support/machine-tpm.ts';

/*
 * What root in a guest does to the machine's own TPM, with stock tools on a real swtpm.
 */

const directory = await mkdtemp(join(tmpdir(), 'holdfast-tpm-attacks-'));
after(() => rm(directory, { recursive: true }));
const tpm = join(directory, 'tpm');
const attestationKey = `0x${attestationKeyHandle.toString(16)}`;

async function done(guest: MachineTpm, ...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await guest.tool(...words);
  assert.equal(code, 0, `${words.join(' ')}: ${stderr}`);
  return stdout.toString();
}

/** Seals a secret below the storage key, as systemd does. */
async function seal(guest: MachineTpm): Promise<void> {
  await writeFile(join(directory, 'secret'), 'key of the data');
  const parts = ['-u', 'sealed.pub', '-r', 'sealed.priv'];
  await done(guest, 'tpm2_create', '-Q', '-C', '0x81000001', '-i', 'secret', ...parts);
}

async function unseals(guest: MachineTpm): Promise<boolean> {
  const parts = ['-u', 'sealed.pub', '-r', 'sealed.priv', '-c', 'sealed.ctx'];
  if ((await guest.tool('tpm2_load', '-Q', '-C', '0x81000001', ...parts)).code !== 0) return false;
  const { stdout } = await guest.tool('tpm2_unseal', '-c', 'sealed.ctx');
  await guest.tool('tpm2_flushcontext', '-t');
  return stdout.toString() === 'key of the data';
}

async function quotes(guest: MachineTpm): Promise<boolean> {
  const files = ['--message', 'quote', '--signature', 'signature', '--qualification', 'c0ffee'];
  const quote = ['tpm2_quote', '-Q', '-c', attestationKey, '--pcr-list', 'sha256:0', ...files];
  if ((await guest.tool(...quote)).code !== 0) return false;
  await writeFile(join(directory, 'key.pem'), (await readAttestationKey(tpm)) ?? '');
  const check = ['tpm2_checkquote', '-Q', '-u', 'key.pem', '-m', 'quote', '-s', 'signature', '-q', 'c0ffee'];
  return (await guest.tool(...check)).code === 0;
}

/** What root tries, none of which may succeed. */
const attacks: readonly (readonly string[])[] = [
  ['tpm2_clear', '-c', 'l'],
  ['tpm2_clear', '-c', 'p'],
  ['tpm2_clear', '-c', 'l', 'guess'],
  ['tpm2_clearcontrol', '-C', 'p', 'c'],
  ['tpm2_changeauth', '-c', 'o', 'mine'],
  ['tpm2_changeauth', '-c', 'e', 'mine'],
  ['tpm2_changeauth', '-c', 'l', 'mine'],
  ['tpm2_changeauth', '-c', 'p', 'mine'],
  ['tpm2_setprimarypolicy', '-C', 'o', '-L', 'policy', '-g', 'sha256'],
  ['tpm2_setprimarypolicy', '-C', 'e', '-L', 'policy', '-g', 'sha256'],
  ['tpm2_setprimarypolicy', '-C', 'l', '-L', 'policy', '-g', 'sha256'],
  ['tpm2_evictcontrol', '-C', 'o', '-c', attestationKey],
  ['tpm2_evictcontrol', '-C', 'p', '-c', attestationKey],
  ['tpm2_evictcontrol', '-C', 'o', '-c', '0x81000001'],
  ['tpm2_hierarchycontrol', '-C', 'o', 'shEnable', 'clear'],
  ['tpm2_hierarchycontrol', '-C', 'e', 'ehEnable', 'clear'],
  ['tpm2_hierarchycontrol', '-C', 'p', 'shEnable', 'clear'],
  ['tpm2_hierarchycontrol', '-C', 'p', 'phEnableNV', 'clear'],
  ['tpm2_dictionarylockout', '-s', '-n', '1', '-t', '4294967295', '-l', '4294967295'],
  ['tpm2_dictionarylockout', '-c'],
  ['tpm2_changeeps'],
  ['tpm2_changepps'],
  ['tpm2_pcrallocate', 'sha1:all+sha256:none'],
  ['tpm2_nvdefine', '0x1500001', '-C', 'o', '-s', '2048'],
  ['tpm2_nvdefine', '0x1500001', '-C', 'p', '-s', '2048', '-a', 'ppwrite|ppread|platformcreate'],
  ['tpm2_createprimary', '-Q', '-C', 'o', '-c', 'x.ctx'],
  ['tpm2_createprimary', '-Q', '-C', 'e', '-c', 'x.ctx'],
  ['tpm2_createprimary', '-Q', '-C', 'p', '-c', 'x.ctx'],
  ['tpm2_setclock', '18446744073709551'],
  ['tpm2_setcommandauditstatus', '-C', 'o', 'TPM2_CC_GetRandom'],
];

test('root in the guest can neither clear the TPM nor take its keys or hierarchies', async () => {
  assert.equal(await makeVirtualTpm(tpm), true);
  const file = join(tpm, 'authorizations.json');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  await writeFile(join(directory, 'policy'), Buffer.alloc(32, 1));
  await asGuest(tpm, async (guest) => {
    await seal(guest);
    assert.deepEqual([await quotes(guest), await unseals(guest)], [true, true]);
    for (const words of attacks) {
      const { code, stderr } = await guest.tool(...words);
      assert.notEqual(code, 0, words.join(' '));
      // by the TPM, not by the tool
      assert.match(stderr, /[(]0x[0-9A-F]{3}[)]/, words.join(' '));
    }
    await guest.tool('tpm2_flushcontext', '-t');
    assert.deepEqual([await quotes(guest), await unseals(guest)], [true, true]);
  });
  assert.deepEqual(await prepareVirtualTpm(tpm), [], 'there is nothing to repair');
  assert.deepEqual(await virtualTpmProblems(tpm), []);
  await asGuest(tpm, async (guest) => {
    assert.deepEqual([await quotes(guest), await unseals(guest)], [true, true]);
  });
});

test('what root can disturb heals at the next start', async () => {
  await asGuest(tpm, async (guest) => {
    await done(guest, 'tpm2_pcrextend', `0:sha256=${'00'.repeat(32)}`);
    // a key whose guesses count, until the TPM accepts no authorization of such keys
    const key = ['-u', 'da.pub', '-r', 'da.priv'];
    await done(guest, 'tpm2_create', '-Q', '-C', '0x81000001', '-G', 'hmac', '-p', 'right', ...key);
    await done(guest, 'tpm2_load', '-Q', '-C', '0x81000001', ...key, '-c', 'da.ctx');
    const use = (auth: string) => guest.tool('tpm2_hmac', '-c', 'da.ctx', '-p', auth, 'policy');
    for (let guesses = 0; guesses < 11; guesses++) {
      await use('wrong');
      await guest.tool('tpm2_flushcontext', '-t');
    }
    assert.match((await use('right')).stderr, /0x921/);
  });
  assert.deepEqual(await prepareVirtualTpm(tpm), []);
  await asGuest(tpm, async (guest) => {
    assert.deepEqual([await quotes(guest), await unseals(guest)], [true, true]);
    await done(guest, 'tpm2_load', '-Q', '-C', '0x81000001', '-u', 'da.pub', '-r', 'da.priv', '-c', 'da.ctx');
    await done(guest, 'tpm2_hmac', '-c', 'da.ctx', '-p', 'right', 'policy');
    assert.match(await done(guest, 'tpm2_pcrread', 'sha256:0'), /0 : 0x0{64}/);
  });
});

/** Makes a TPM as Holdfast did before it had authorizations of its own. */
async function makeOldTpm(path: string): Promise<void> {
  await makeVirtualTpm(path);
  await withPrivateTpm(virtualTpmState(path), async (ask) => {
    await ask(hierarchyRequests.clearControl(false));
    await ask(hierarchyRequests.clear());
    const made = await ask(hierarchyRequests.createPrimary(permanent.endorsement, attestationKeyTemplate));
    const handle = returnedHandle(made);
    await ask(hierarchyRequests.keep(handle, attestationKeyHandle, Buffer.alloc(0)));
    await ask(requests.flush(handle));
  });
  await rm(join(path, 'authorizations.json'));
}

test('the TPM of an older Holdfast gets its authorizations and lost keys at the next start', async () => {
  const old = join(directory, 'old');
  await makeOldTpm(old);
  const key = await readAttestationKey(old);
  assert.match((await virtualTpmProblems(old)).join(), /restart/);
  await asGuest(old, async (guest) => {
    assert.match(await done(guest, 'tpm2_readpublic', '-c', attestationKey), /ecc/);
    await done(guest, 'tpm2_clear', '-c', 'l');
    assert.match((await guest.tool('tpm2_readpublic', '-c', attestationKey)).stderr, /0x18B/);
  });
  const lines = await prepareVirtualTpm(old);
  assert.match(
    lines.join('\n'),
    /lockout got an authorization\n.*owner got[\s\S]*Clear was disabled[\s\S]*attestation key was made/,
  );
  assert.equal(await readAttestationKey(old), key);
  assert.deepEqual(await prepareVirtualTpm(old), []);
  await asGuest(old, async (guest) => {
    await done(guest, 'tpm2_readpublic', '-c', attestationKey);
    for (const hierarchy of ['l', 'p'])
      assert.notEqual((await guest.tool('tpm2_clear', '-c', hierarchy)).code, 0);
  });
});

test('another key in the place of the attestation key is replaced', async () => {
  const old = join(directory, 'swapped');
  await makeOldTpm(old);
  await asGuest(old, async (guest) => {
    await done(guest, 'tpm2_evictcontrol', '-C', 'o', '-c', attestationKey);
    await done(guest, 'tpm2_createprimary', '-Q', '-C', 'o', '-c', 'other.ctx');
    await done(guest, 'tpm2_evictcontrol', '-C', 'o', '-c', 'other.ctx', attestationKey);
  });
  await prepareVirtualTpm(old);
  await asGuest(old, async (guest) => {
    const pem = ['-f', 'pem', '-o', 'seen.pem'];
    await done(guest, 'tpm2_readpublic', '-c', attestationKey, ...pem);
    assert.equal(await readFile(join(directory, 'seen.pem'), 'utf8'), await readAttestationKey(old));
  });
});

const hierarchies = [
  ['lockout', 'l'],
  ['owner', 'o'],
  ['endorsement', 'e'],
] as const;

for (const [hierarchy, letter] of hierarchies) {
  test(`a guest that took the ${hierarchy} hierarchy first is reported, and enrolment takes it back`, async () => {
    const taken = join(directory, hierarchy);
    await makeOldTpm(taken);
    const before = await readAttestationKey(taken);
    await asGuest(taken, async (guest) => {
      await done(guest, 'tpm2_evictcontrol', '-C', 'o', '-c', attestationKey);
      await done(guest, 'tpm2_changeauth', '-c', letter, 'mine');
    });
    const lines = (await prepareVirtualTpm(taken)).join('\n');
    assert.match(lines, new RegExp(`does not know the authorization of its ${hierarchy}`));
    assert.equal(/attestation key is not the recorded one/.test(lines), hierarchy !== 'lockout');
    assert.match((await virtualTpmProblems(taken)).join(), new RegExp(`${hierarchy}.*attest enrol`));
    const asked: string[] = [];
    const refuse = () => Promise.reject(new Error('not now'));
    await assert.rejects(enrolVirtualTpm(taken, refuse), /not now/);
    const enrolled = await enrolVirtualTpm(taken, async (foreign) => void asked.push(...foreign));
    assert.deepEqual(asked, [hierarchy]);
    assert.deepEqual([enrolled.cleared, enrolled.before, enrolled.key], [true, before, before]);
    assert.deepEqual(await virtualTpmProblems(taken), []);
    assert.deepEqual(await prepareVirtualTpm(taken), []);
    await asGuest(taken, async (guest) => {
      await done(guest, 'tpm2_readpublic', '-c', attestationKey);
      assert.notEqual((await guest.tool('tpm2_changeauth', '-c', letter, '-p', 'mine', 'again')).code, 0);
    });
  });
}

test('a TPM whose endorsement seed changed is not trusted before it is enrolled', async () => {
  const seeded = join(directory, 'seeded');
  await makeOldTpm(seeded);
  const before = await readAttestationKey(seeded);
  // as a platform could
  await withPrivateTpm(virtualTpmState(seeded), (ask) =>
    ask(Buffer.from('80020000001b000001244000000c00000009400000090000000000', 'hex')),
  );
  assert.match((await prepareVirtualTpm(seeded)).join(), /not the recorded one.*attest enrol/);
  assert.equal(await readAttestationKey(seeded), before);
  const { key, cleared } = await enrolVirtualTpm(seeded, () => Promise.reject(new Error('not needed')));
  assert.deepEqual([key === before, cleared], [false, false]);
  assert.equal(await readAttestationKey(seeded), key);
  assert.deepEqual(await prepareVirtualTpm(seeded), []);
});

test('lost or damaged authorizations are reported, and enrolment makes others', async () => {
  const lost = join(directory, 'lost');
  await makeVirtualTpm(lost);
  const file = join(lost, 'authorizations.json');
  await writeFile(file, '{"format":1');
  assert.match((await prepareVirtualTpm(lost)).join(), /damaged/);
  await rm(file);
  assert.match((await prepareVirtualTpm(lost)).join(), /does not know the authorization of its lockout/);
  const { cleared, before, key } = await enrolVirtualTpm(lost, async () => {});
  assert.deepEqual([cleared, before], [true, key]);
  assert.deepEqual(await prepareVirtualTpm(lost), []);
});

test('an interrupted preparation is completed', async () => {
  const cut = join(directory, 'interrupted');
  await makeOldTpm(cut);
  await prepareVirtualTpm(cut);
  const authorizations = JSON.parse(await readFile(join(cut, 'authorizations.json'), 'utf8'));
  const value = (name: string) => Buffer.from(authorizations[name], 'hex');
  await withPrivateTpm(virtualTpmState(cut), async (ask) => {
    await ask(hierarchyRequests.changeAuthorization('owner', value('owner'), Buffer.alloc(0)));
    await ask(hierarchyRequests.clearControl(false));
    await ask(hierarchyRequests.createPrimary(permanent.null, Buffer.alloc(0)));
  });
  assert.equal((await prepareVirtualTpm(cut)).length, 2);
  assert.deepEqual(await prepareVirtualTpm(cut), []);
});
