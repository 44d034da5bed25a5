import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { machinePaths } from '../../src/machine/paths.ts';
import { eventually } from '../support/eventually.ts';
import { inGuest } from '../support/vm/guest.ts';
import { expectDone, holdfast, home, sharedMachine, sharedName } from '../support/vm/machine.ts';

/*
 * Files in and out of a machine: what tar, sh and cp of the guest make of it. The rest is in the unit tests.
 */

const inside = '/var/tmp/copy-test';
let directory: string;

before(async () => {
  await sharedMachine();
  directory = await mkdtemp(join(home.directory, 'copy-'));
  await inGuest(sharedName, ['mkdir', inside]);
});
after(async () => {
  await rm(directory, { recursive: true, force: true });
  await inGuest(sharedName, ['sh', '-c', `chmod -R u+w ${inside}; rm -r ${inside}`]);
});

test('copies megabytes in and out unchanged', async () => {
  const [there, back] = [join(directory, 'large'), join(directory, 'back')];
  const bytes = randomBytes(8 * 2 ** 20);
  await writeFile(there, bytes);
  await expectDone(['copy', there, `:${inside}/large`]);
  const digest = createHash('sha256').update(bytes).digest('hex');
  assert.equal((await inGuest(sharedName, ['sha256sum', `${inside}/large`])).split(' ')[0], digest);
  await expectDone(['copy', `:${inside}/large`, back]);
  assert.ok((await readFile(back)).equals(bytes));
});

test('copies a directory in and out with its modes, links and names', async () => {
  const tree = join(directory, 'tree');
  await mkdir(join(tree, 'sub directory/ünïcode'), { recursive: true });
  await writeFile(join(tree, 'sub directory/ünïcode/-n'), '#!/bin/sh\n');
  await chmod(join(tree, 'sub directory/ünïcode/-n'), 0o751);
  await writeFile(join(tree, 'secret'), 'x', { mode: 0o600 });
  await symlink('../nowhere', join(tree, 'sub directory/link'));
  await mkdir(join(tree, 'empty'), { mode: 0o500 });

  await expectDone(['copy', tree, `:${inside}/tree`]);
  // each line ends in a dot: find lists in any order, and the answer's last blank is trimmed
  const listing = await inGuest(sharedName, ['find', `${inside}/tree`, '-printf', '%U %y %m %P>%l.\\n']);
  assert.deepEqual(listing.trimEnd().split('\n').sort(), [
    '1000 d 500 empty>.',
    '1000 d 755 >.',
    '1000 d 755 sub directory/ünïcode>.',
    '1000 d 755 sub directory>.',
    '1000 f 600 secret>.',
    '1000 f 751 sub directory/ünïcode/-n>.',
    '1000 l 777 sub directory/link>../nowhere.',
  ]);

  const back = join(directory, 'tree-back');
  await expectDone(['copy', `:${inside}/tree`, back]);
  assert.deepEqual(await describe(back), await describe(tree));
});

test('reports what cannot be copied, and leaves nothing behind', async () => {
  const target = join(directory, 'target');
  const cases = [
    [['copy', join(directory, 'none'), ':'], 1, /cannot copy .*\n.*no such file/is],
    [['copy', `:${inside}/none`, target], 1, /No such file/],
    [['copy', ':/etc/shadow', target], 1, /Permission denied/],
    [['copy', join(directory, 'tree'), ':/usr/tree'], 1, /Read-only|Permission denied/],
    [['copy', join(directory, 'tree'), target], 2, /both SRC and DST are on this host/],
    [['copy', ':one', ':two'], 2, /both SRC and DST are in the guest/],
  ] as const;
  for (const [words, expected, message] of cases) {
    const { code, stderr } = await holdfast(words);
    assert.equal(code, expected, words.join(' '));
    assert.match(stderr, message);
  }
  assert.ok(!(await readdir(directory)).includes('target'));
});

/** Every path below, with type and mode and what it holds. */
async function describe(path: string): Promise<string[]> {
  const names = (await readdir(path, { recursive: true })).sort();
  return Promise.all(
    names.map(async (name) => {
      const stat = await lstat(join(path, name));
      const content = stat.isSymbolicLink()
        ? await readlink(join(path, name))
        : stat.isFile()
          ? await readFile(join(path, name), 'utf8')
          : '';
      return `${name} ${stat.mode.toString(8)} ${content}`;
    }),
  );
}

test('copies into /etc as root, with the owner and mode as asked', async () => {
  const file = join(directory, 'settings');
  await writeFile(file, 'x', { mode: 0o600 });
  const { code, stderr } = await holdfast(['copy', file, ':/etc/holdfast-copy']);
  assert.equal(code, 1);
  assert.match(stderr, /--root/);
  await expectDone(['copy', '--root', file, ':/etc/holdfast-copy']);
  await expectDone(['copy', '--root', '--owner', 'root:adm', '--mode', '640', file, ':/etc/holdfast-copy.2']);
  const list = await inGuest(sharedName, [
    'stat',
    '--format=%U %G %a',
    '/etc/holdfast-copy',
    '/etc/holdfast-copy.2',
  ]);
  assert.equal(list.trim(), 'root root 600\nroot adm 640');
  await expectDone(['copy', '--root', ':/etc/holdfast-copy', join(directory, 'back-as-root')]);
  assert.equal(await readFile(join(directory, 'back-as-root'), 'utf8'), 'x');
  await inGuest(sharedName, ['sudo', 'rm', '/etc/holdfast-copy', '/etc/holdfast-copy.2']);
});

test('what is deleted in the guest frees the disk of the host', async () => {
  const { disk } = machinePaths(home, sharedName);
  const megabytes = async () => ((await stat(disk)).blocks * 512) / 2 ** 20;
  await inGuest(sharedName, ['sh', '-c', `head -c 100M /dev/zero | tr '\\0' x >${inside}/much; sync`]);
  const filled = await megabytes();
  await inGuest(sharedName, ['sh', '-c', `rm ${inside}/much; sync`]);
  await eventually(async () => (await megabytes()) < filled - 90, {
    within: 30_000,
    every: 500,
    what: 'a smaller disk',
  });
});
