import assert from 'node:assert/strict';
import {
  chmodSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { HoldfastError } from '../../../src/base/errors.ts';
import { makePrivateDirectory } from '../../../src/base/files.ts';
import { exposureOf, requireOwnPath } from '../../../src/base/own-path.ts';
import { keyPair } from '../../../src/release/keys.ts';
import { initKeys } from '../../../src/repository/root-metadata.ts';

const top = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-own-')));
after(() => rmSync(top, { recursive: true }));
const nobody = 65534;
const asRoot = { skip: process.getuid?.() !== 0 && 'only root can give files away' };

/** Makes a directory with its parents. @returns its path. */
function directory(path: string, mode = 0o755): string {
  mkdirSync(join(top, path), { recursive: true });
  chmodSync(join(top, path), mode);
  return join(top, path);
}

async function refused(work: Promise<unknown>, why: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof HoldfastError);
    assert.equal(error.code, 'file.exposed');
    assert.match(error.why ?? '', why);
    return true;
  });
}

test('accepts directories of this user and of root, also below /tmp, and what does not exist yet', async () => {
  const mine = directory('mine/keys', 0o700);
  for (const path of ['/', '/usr/bin', mine, join(mine, 'no', 'such', 'file')])
    assert.equal(await exposureOf(path), undefined, path);
});

test('rejects a directory that others can write, above or itself, but not one with the sticky bit above', async () => {
  const below = directory('shared/keys', 0o700);
  for (const [mode, why] of [
    [0o777, /shared can be written by other users \(mode 0777\)/],
    [0o775, /mode 0775/],
    [0o2770, /mode 2770/],
    [0o757, /mode 0757/],
  ] as const) {
    chmodSync(join(top, 'shared'), mode);
    assert.match((await exposureOf(below)) ?? '', why);
    await refused(makePrivateDirectory(join(below, 'more')), why);
  }
  chmodSync(join(top, 'shared'), 0o1777);
  assert.equal(await exposureOf(below), undefined);
  assert.match((await exposureOf(join(top, 'shared'))) ?? '', /mode 1777/, 'anyone makes files in it');
  assert.deepEqual(readdirSync(below), [], 'nothing was made');
});

test('rejects a directory, a link and a file of another user', asRoot, async () => {
  const keys = directory('other/keys', 0o700);
  lchownSync(keys, nobody, nobody);
  await refused(makePrivateDirectory(keys), /other\/keys belongs to user 65534/);
  await refused(keyPair(keys, 'release'), /belongs to user 65534/);
  await refused(initKeys({ directory: keys, rootKeys: keys }, 1, 1), /belongs to user 65534/);
  await refused(keyPair(join(keys, 'deeper'), 'release'), /belongs to user 65534/);
  assert.deepEqual(readdirSync(keys), [], 'nothing was made');
  const mine = directory('linked');
  symlinkSync('/usr', join(mine, 'theirs'));
  lchownSync(join(mine, 'theirs'), nobody, nobody);
  assert.match((await exposureOf(join(mine, 'theirs', 'bin'))) ?? '', /theirs belongs to user 65534/);
  writeFileSync(join(mine, 'key'), '', { mode: 0o600 });
  lchownSync(join(mine, 'key'), nobody, nobody);
  assert.match((await exposureOf(join(mine, 'key'))) ?? '', /key belongs to user 65534/);
});

test('does not sign with a key that another user put there', asRoot, async () => {
  const keys = directory('planted', 0o700);
  const { privateKey } = await keyPair(keys, 'release');
  assert.equal((await keyPair(keys, 'release')).privateKey, privateKey);
  lchownSync(privateKey, nobody, nobody);
  await refused(keyPair(keys, 'release'), /private\.pem belongs to user 65534/);
});

test('follows links to where they lead', async () => {
  const place = directory('place/real', 0o700);
  const links = directory('links');
  symlinkSync('../place/./real', join(links, 'relative'));
  symlinkSync(place, join(links, 'absolute'));
  symlinkSync('loop', join(links, 'loop'));
  for (const name of ['relative', 'absolute'])
    assert.equal(await exposureOf(join(links, name, 'x')), undefined);
  assert.match((await exposureOf(join(links, 'loop'))) ?? '', /too many symbolic links/);
  chmodSync(join(top, 'place'), 0o777);
  for (const name of ['relative', 'absolute'])
    assert.match((await exposureOf(join(links, name, 'x'))) ?? '', /place can be written/);
});

test('a new directory is private whatever the umask is', async () => {
  const before = process.umask(0);
  try {
    const made = join(directory('umask'), 'a', 'b');
    await makePrivateDirectory(made);
    assert.equal(statSync(made).mode & 0o777, 0o700);
    assert.equal(statSync(join(made, '..')).mode & 0o777, 0o700);
  } finally {
    process.umask(before);
  }
});

test('names a directory that works instead', asRoot, async () => {
  const shared = directory('remedy', 0o777);
  process.env.SUDO_UID = '1000';
  await assert.rejects(requireOwnPath(shared), { next: /run it without sudo, or use another directory/ });
  delete process.env.SUDO_UID;
  await assert.rejects(requireOwnPath(shared), {
    next: /correct owner and mode .*, or use another directory/,
  });
});
