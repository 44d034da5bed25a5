import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { exampleImage } from '../../scripts/example-image.ts';
import { run } from '../../src/base/process.ts';
import { signRootHash } from '../../src/release/build/uki.ts';
import { keyPair } from '../../src/release/keys.ts';
import { formatImage } from '../../src/verity/format.ts';
import { askGuest, asRoot } from '../support/vm/guest.ts';
import { expectDone, holdfast, home, sharedMachine, sharedName } from '../support/vm/machine.ts';

/*
 * Programs that the release key did not sign: audit allows and logs them, enforce denies them, and a signed
 * volume of container images is a program of ours. The volume is made as docs/how-to/signed-containers.md
 * says.
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
  await expectDone(['ipe', 'audit']);
  await expectDone(['restart']);
  await asRoot(sharedName, 'rm -rf /home/holdfast/sh /var/tmp/sh /var/tmp/image.tar /var/tmp/images.*');
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
  // The initrd's file system is below /, and stays writable
  initrd: `unshare --mount sh -c 'umount --lazy /; exec sleep 60' & top=$!
    mkfifo /run/wait; sleep 1
    nsenter --mount=/proc/$top/ns/mnt --wd=/ usr/sbin/ldconfig -f run/wait -C run/cache & inside=$!
    sleep 1
    [ -e /proc/$inside/root/usr ] || echo reached; cp /var/tmp/sh /proc/$inside/root/sh && /proc/$inside/root/sh -c 'echo it runs'
    rm -f /proc/$inside/root/sh /run/wait; kill $inside $top`,
  journal: 'journalctl --sync; journalctl --boot --dmesg --grep ipe_op=EXECUTE --output cat --no-pager',
} as const;

test('audit: a program on Data runs, and the journal names it', async () => {
  const status = JSON.parse(await expectDone(['ipe', 'status', '--json']));
  assert.deepEqual([status.configured, status.active], ['audit', 'audit']);
  const { home, data, root, journal } = await askGuest(sharedName, questions);
  assert.deepEqual([home, data, root], ['it runs', 'it runs', 'it runs']);
  assert.match(journal, /enforcing=0 .* path="\/home\/holdfast\/sh" .* rule="DEFAULT action=DENY"/);
  assert.match(journal, /enforcing=0 .* path="\/var\/tmp\/sh" /);
  assert.doesNotMatch(journal, /path="\/usr\//, 'programs of the root are allowed');
});

test('a new mode applies from the next start, and persists', async () => {
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
  assert.match(answers.initrd, /^reached$/m);
  assert.match(answers.initrd, /Permission denied/);
  assert.doesNotMatch(answers.initrd, /it runs/);
  assert.match(answers.journal, /enforcing=1 .* path="\/home\/holdfast\/sh" /);
});

test('enforce: the channel, the commands and every unit work', async () => {
  assert.match(await expectDone(['status']), /^verified boot +yes/m);
  const { running } = await askGuest(sharedName, { running: 'systemctl is-system-running --wait' });
  assert.equal(running, 'running');
  assert.equal((await holdfast(['audit', '--json'])).code, 0);
});

test('enforce: a container of a signed volume runs, but no program that it adds; an ordinary container does not run', async () => {
  const store = 'podman --root /var/tmp/store --runroot /run/store';
  await asRoot(
    sharedName,
    `${store} import --quiet /var/tmp/image.tar localhost/sealed
    umount /var/tmp/store/overlay 2>/dev/null || true
    tar --create --xattrs --directory /var/tmp/store --file /var/tmp/store.tar .; rm -r /var/tmp/store`,
  );
  await expectDone(['copy', ':/var/tmp/store.tar', join(scratch, 'store.tar')]);
  const image = await sealedVolume();
  await expectDone(['copy', image.path, ':/var/tmp/images.erofs']);
  await expectDone(['copy', image.signature, ':/var/tmp/images.p7s']);
  const blocks = image.dataSize / blockSize;
  const answers = await askGuest(sharedName, {
    open: `device=$(losetup --find --show --read-only /var/tmp/images.erofs)
      keyctl padd user images @s </var/tmp/images.p7s >/dev/null
      dmsetup create images --readonly --table "0 ${blocks * 8} verity 1 $device $device 4096 4096 ${blocks} ${blocks + 1} sha256 ${image.rootHash} - 2 root_hash_sig_key_desc images"
      mkdir /run/images; mount -t erofs -o ro,nosuid,nodev /dev/mapper/images /run/images`,
    sealed: `podman --storage-opt additionalimagestore=/run/images run --rm --pull=never --network=none localhost/sealed \
      sh -c 'echo it runs; /bin/busybox cp /bin/busybox /own; /own sh -c "echo own runs"'`,
    ordinary: `echo other >/var/tmp/other; tar --append --file /var/tmp/image.tar --directory /var/tmp other
      podman import --quiet /var/tmp/image.tar ordinary >/dev/null
      podman run --rm --network=none ordinary sh -c 'echo it runs'; podman rmi ordinary >/dev/null`,
    close:
      'umount /run/images; dmsetup remove images; losetup --detach-all; rm /var/tmp/store.tar /var/tmp/other',
  });
  assert.equal(answers.open, '');
  assert.match(answers.sealed, /^it runs$/m);
  assert.match(answers.sealed, /\/own: Permission denied/);
  assert.doesNotMatch(answers.sealed, /own runs/);
  assert.match(answers.ordinary, /Permission denied/);
  assert.doesNotMatch(answers.ordinary, /it runs/);
});

/** EROFS with its verity tree behind it, and the signature of the root hash. */
async function sealedVolume() {
  const [tree, path] = [join(scratch, 'store'), join(scratch, 'images.erofs')];
  const signature = join(scratch, 'images.p7s');
  await run('mkdir', [tree]);
  const xattrs = ['--xattrs', '--xattrs-include=*'];
  await run('tar', ['--extract', ...xattrs, '--directory', tree, '--file', join(scratch, 'store.tar')]);
  await run('mkfs.erofs', ['-zlz4hc', '--quiet', path, tree]);
  await truncate(path, Math.ceil((await stat(path)).size / blockSize) * blockSize);
  const { dataSize, rootHash } = await formatImage(path, '7c84f3e1-ae68-870b-946a-cbb1f90f8821');
  await writeFile(signature, await signRootHash(rootHash, await keyPair(home.keys, 'release')));
  assert.ok((await readFile(signature)).length > 0);
  return { path, signature, dataSize, rootHash };
}
