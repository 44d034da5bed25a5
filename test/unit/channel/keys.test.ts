import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { run } from '../../../src/base/process.ts';
import { channelKeyFiles, makeChannelKeys, parsePublicKey, readIdentity } from '../../../src/channel/keys.ts';

const directory = await mkdtemp(join(tmpdir(), 'holdfast-keys-'));
after(() => rm(directory, { recursive: true }));
const made = join(directory, 'made');
await makeChannelKeys(made);

function publicKey(bytes: Uint8Array, type = 'ssh-ed25519'): string {
  const prefix = Buffer.from(`\0\0\0\x0b${type}\0\0\0\x20`, 'latin1');
  return `${type} ${Buffer.concat([prefix, bytes]).toString('base64')}`;
}

test('generates a key pair for each end, readable by their owner only', async () => {
  const files = channelKeyFiles(made);
  assert.equal((await stat(made)).mode & 0o777, 0o700);
  assert.equal((await stat(files.identity)).mode & 0o777, 0o600);
  assert.equal((await stat(files.hostKey)).mode & 0o777, 0o600);
  for (const [secret, open] of [
    [files.identity, files.identityPublic],
    [files.hostKey, files.hostKeyPublic],
  ] as const) {
    const { stdout } = await run('ssh-keygen', ['-y', '-f', secret]);
    assert.equal(stdout.toString(), await readFile(open, 'utf8'));
  }
  const identity = await readIdentity(made, 'holdfast');
  assert.equal(identity.user, 'holdfast');
  assert.match(identity.privateKey, /^-----BEGIN OPENSSH PRIVATE KEY-----\n/);
  assert.equal(identity.hostKey, await readFile(files.hostKeyPublic, 'utf8'));
  assert.notEqual(await readFile(files.identityPublic, 'utf8'), identity.hostKey);
});

test('never replaces existing keys', async () => {
  const before = await readIdentity(made, 'holdfast');
  await assert.rejects(makeChannelKeys(made), { code: 'process.failed' });
  assert.deepEqual(await readIdentity(made, 'holdfast'), before);
});

test('rejects a damaged host key before connecting', async () => {
  const secrets = join(directory, 'damaged');
  await cp(made, secrets, { recursive: true });
  await writeFile(channelKeyFiles(secrets).hostKeyPublic, 'ssh-ed25519 AAAA\n');
  await assert.rejects(readIdentity(secrets, 'holdfast'), { code: 'channel.key' });
});

test('parses public keys of any 32 bytes, also with leading zeros', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.constantFrom('', ' comment', ' two words\n', '\n'),
      (bytes, end) => {
        assert.deepEqual(parsePublicKey(publicKey(bytes) + end).subarray(-32), Buffer.from(bytes));
      },
    ),
  );
  parsePublicKey(publicKey(new Uint8Array(32)));
});

test('rejects everything that is not a public key', () => {
  const good = publicKey(new Uint8Array(32).fill(7));
  const bad = [
    '',
    'ssh-ed25519',
    publicKey(new Uint8Array(31)),
    publicKey(new Uint8Array(33)),
    publicKey(new Uint8Array(32), 'ssh-ed25518'),
    good.replace('ssh-ed25519', 'ssh-rsa'),
    `${good}\n${good}`,
    ` ${good}`,
    good.replace('AAAAC3', 'BAAAC3'),
  ];
  for (const text of bad) assert.throws(() => parsePublicKey(text), { code: 'channel.key' }, text);
  fc.assert(
    fc.property(fc.string(), (text) => assert.throws(() => parsePublicKey(text), { code: 'channel.key' })),
  );
});
