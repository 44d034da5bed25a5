import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { exampleImage } from '../../scripts/example-image.ts';
import { run } from '../../src/base/process.ts';
import { signRootHash } from '../../src/release/build/uki.ts';
import { keyPair } from '../../src/release/keys.ts';
import { formatImage } from '../../src/verity/format.ts';
import { rootHash } from '../../src/verity/root-hash.ts';
import { askGuest, asRoot } from '../support/vm/guest.ts';
import { expectDone, holdfast, home, sharedMachine, sharedName } from '../support/vm/machine.ts';
import { unsignedCode } from '../support/vm/unsigned-code.ts';

/*
 * Programs that the release key did not sign: audit allows and logs them, enforce denies them, whatever root tries, and
 * a signed volume of container images is a program of ours. The volume is made as docs/how-to/signed-containers.md says.
 */

const blockSize = 4096;
let scratch: string;

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'holdfast-ipe-'));
  await sharedMachine();
  const image = await exampleImage(home);
  await run('tar', ['--extract', '--file', image, '--directory', scratch, './bin/busybox']);
  for (const directory of ['/home/holdfast', '/var/tmp'])
    await expectDone(['copy', join(scratch, 'bin/busybox'), `:${directory}/sh`]);
  await expectDone(['copy', image, ':/var/tmp/image.tar']);
});
after(async () => {
  const made = ['sh', 'image.tar', 'other.erofs', 'root.p7s'].map((name) => `/var/tmp/${name}`);
  await asRoot(sharedName, `rm -rf ${made.join(' ')} /home/holdfast/sh /var/lib/volumes`);
  await expectDone(['ipe', 'audit']);
  await expectDone(['restart']);
  await rm(scratch, { recursive: true });
});

const questions = {
  home: '/home/holdfast/sh -c "echo it runs"',
  data: '/var/tmp/sh -c "echo it runs"',
  root: '/usr/bin/bash -c "echo it runs"',
  script:
    'printf "echo it runs" >/home/holdfast/script; /usr/bin/sh /home/holdfast/script; rm /home/holdfast/script',
  switch: 'for mode in 0 1; do echo $mode | tee /sys/kernel/security/ipe/enforce >/dev/null; done',
  elsewhere: `cat /sys/kernel/security/ipe/policies/holdfast/pkcs7 >/sys/kernel/security/ipe/new_policy`,
  helpers: 'cat /proc/sys/kernel/usermodehelper/bset; grep CapBnd /proc/1/status',
  module:
    'cp "$(modinfo -n dummy)" /run/dummy.ko; insmod /run/dummy.ko && echo loaded && rmmod dummy; rm /run/dummy.ko',
  own: 'modprobe dummy && echo loaded && rmmod dummy',
  policy: 'cat /sys/kernel/security/ipe/policies/*/policy',
  journal: 'journalctl --sync; journalctl --boot --dmesg --grep ipe_op=EXECUTE --output cat --no-pager',
} as const;

test('audit: a program on Data runs, and the journal names it', async () => {
  const status = JSON.parse(await expectDone(['ipe', 'status', '--json']));
  assert.deepEqual([status.configured, status.active], ['audit', 'audit']);
  const { home, data, root, policy, journal } = await askGuest(sharedName, questions);
  assert.deepEqual([home, data, root], ['it runs', 'it runs', 'it runs']);
  assert.match(journal, /enforcing=0 .* path="\/home\/holdfast\/sh" .* rule="DEFAULT action=DENY"/);
  assert.match(journal, /enforcing=0 .* path="\/var\/tmp\/sh" /);
  assert.doesNotMatch(journal, /path="\/usr\//, 'programs of the root are allowed');
  assert.match(policy, /^op=EXECUTE dmverity_roothash=sha256:[0-9a-f]{64} action=ALLOW$/m);
  assert.doesNotMatch(
    policy,
    /^op=.*(boot_verified|dmverity_signature)/m,
    'neither the initrd nor other volumes',
  );
});

test('a new mode applies from the next start, and persists', async () => {
  await addVolume();
  assert.match(await expectDone(['ipe', 'enforce']), /after the next restart it is enforce/);
  const { data } = await askGuest(sharedName, { data: questions.data });
  assert.equal(data, 'it runs');
  await expectDone(['restart']);
  assert.equal(JSON.parse(await expectDone(['ipe', 'status', '--json'])).active, 'enforce');
});

test('enforce: only programs and modules of the root run, and root in the guest cannot change that', async () => {
  const answers = await askGuest(sharedName, questions);
  assert.match(answers.home, /Permission denied/);
  assert.match(answers.data, /Permission denied/);
  assert.equal(answers.root, 'it runs');
  assert.equal(answers.script, 'it runs', 'a script is not a program');
  assert.equal(answers.switch.match(/Operation not permitted/g)?.length, 2);
  assert.match(answers.elsewhere, /Operation not permitted/);
  const [helpers = '', bounding = ''] = answers.helpers.split('\n');
  const macAdmin = 1n << 33n;
  assert.equal(BigInt(`0x${bounding.split('\t')[1]}`) & macAdmin, 0n);
  assert.equal((BigInt(helpers.split('\t')[1] ?? '0') << 32n) & macAdmin, 0n);
  assert.match(answers.module, /Permission denied/);
  assert.doesNotMatch(answers.module, /^loaded/m);
  assert.equal(answers.own, 'loaded');
  assert.match(answers.journal, /enforcing=1 .* path="\/home\/holdfast\/sh" /);
});

test('enforce: the channel, the commands and every unit work', async () => {
  assert.match(await expectDone(['status']), /^verified boot +yes/m);
  const { running } = await askGuest(sharedName, { running: 'systemctl is-system-running --wait' });
  assert.equal(running, 'running');
  assert.equal((await holdfast(['audit', '--json'])).code, 0);
});

test('enforce: root has no other way to run unsigned code', async () => {
  const commandLine = await asRoot(sharedName, 'cat /proc/cmdline');
  const hash = rootHash.parse(/ holdfast\.root=([0-9a-f]+)/.exec(commandLine)?.[1]);
  const [image, signature] = [join(scratch, 'other.erofs'), join(scratch, 'root.p7s')];
  await run('ln', ['-s', 'busybox', join(scratch, 'bin/sh')]);
  await run('mkdir', [join(scratch, 'other')]);
  await run('mv', [join(scratch, 'bin'), join(scratch, 'other')]);
  await run('mkfs.erofs', ['--quiet', image, join(scratch, 'other')]);
  await writeFile(signature, await signRootHash(hash, await keyPair(home.keys, 'release')));
  for (const path of [image, signature]) await expectDone(['copy', path, `:/var/tmp/${basename(path)}`]);
  const attempts = Object.entries(unsignedCode).map(([name, { lines }]) => [name, lines]);
  const answers = await askGuest(sharedName, Object.fromEntries(attempts));
  for (const [name, { denial }] of Object.entries(unsignedCode)) {
    assert.doesNotMatch(answers[name] ?? '', /^it runs$/m, name);
    assert.match(answers[name] ?? '', denial, name);
  }
});

test('enforce: a container of a signed volume runs, but no program that it adds; an ordinary container does not run', async () => {
  const answers = await askGuest(sharedName, {
    sealed: `podman --storage-opt additionalimagestore=/run/volumes/images run --rm --pull=never --network=none localhost/sealed \
      sh -c 'echo it runs; /bin/busybox cp /bin/busybox /own; /own sh -c "echo own runs"'`,
    ordinary: `echo other >/var/tmp/other; tar --append --file /var/tmp/image.tar --directory /var/tmp other
      podman import --quiet /var/tmp/image.tar ordinary >/dev/null
      podman run --rm --network=none ordinary sh -c 'echo it runs'; podman rmi ordinary >/dev/null; rm /var/tmp/other`,
  });
  assert.match(answers.sealed, /^it runs$/m);
  assert.match(answers.sealed, /\/own: Permission denied/);
  assert.doesNotMatch(answers.sealed, /own runs/);
  assert.match(answers.ordinary, /Permission denied/);
  assert.doesNotMatch(answers.ordinary, /it runs/);
});

/** Makes a signed volume of the example image, and copies it to where the initrd opens it. */
async function addVolume(): Promise<void> {
  await asRoot(
    sharedName,
    `podman --root /var/tmp/store --runroot /run/store import --quiet /var/tmp/image.tar localhost/sealed
    umount /var/tmp/store/overlay 2>/dev/null || true
    tar --create --xattrs --directory /var/tmp/store --file /var/tmp/store.tar .; rm -r /var/tmp/store
    install --directory --owner holdfast /var/lib/volumes`,
  );
  const [archive, tree, path] = [
    join(scratch, 'store.tar'),
    join(scratch, 'store'),
    join(scratch, 'images.raw'),
  ];
  await expectDone(['copy', ':/var/tmp/store.tar', archive]);
  await asRoot(sharedName, 'rm /var/tmp/store.tar');
  await run('mkdir', [tree]);
  await run('tar', ['--extract', '--xattrs', '--xattrs-include=*', '--directory', tree, '--file', archive]);
  await run('mkfs.erofs', ['-zlz4hc', '--quiet', path, tree]);
  await truncate(path, Math.ceil((await stat(path)).size / blockSize) * blockSize);
  const formatted = await formatImage(path, '7c84f3e1-ae68-870b-946a-cbb1f90f8821');
  const image = await readFile(path);
  const parts = {
    raw: image.subarray(0, formatted.dataSize),
    verity: image.subarray(formatted.dataSize),
    roothash: formatted.rootHash,
    'roothash.p7s': await signRootHash(formatted.rootHash, await keyPair(home.keys, 'release')),
  };
  for (const [name, content] of Object.entries(parts)) {
    const part = join(scratch, `images.${name}`);
    await writeFile(part, content);
    await expectDone(['copy', part, `:/var/lib/volumes/images.${name}`]);
  }
}
