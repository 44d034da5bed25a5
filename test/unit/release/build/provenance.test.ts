import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { packageFiles } from '../../../../src/debian/package-files.ts';
import { provenanceOf, shippedPackages, withShipped } from '../../../../src/release/build/provenance.ts';

const directory = await mkdtemp(join(tmpdir(), 'holdfast-provenance-'));
after(() => rm(directory, { recursive: true }));

const owned = new Map([
  ['bash', ['/.', '/bin', '/bin/bash', '/etc/skel']],
  ['busybox-static', ['/usr/bin', '/usr/bin/busybox']],
  ['linux-image', ['/usr/lib/modules/6.12/kernel/fs/erofs.ko.xz', '/boot/vmlinuz-6.12']],
  ['libc6', ['/usr/lib64/ld-linux-x86-64.so.2', '/usr/lib/x86_64-linux-gnu/libc.so.6']],
  ['dpkg', ['/usr/bin/dpkg']],
]);

test('finds the packages of the root and of what was copied into boot images', () => {
  const root = [
    ...['usr/bin/bash', 'bin/bash', 'usr/lib/modules/6.12/kernel/fs/erofs.ko', 'etc/holdfast'],
    ...['lib/modules/6.12/modules.dep', 'usr/lib/modules/6.12/modules.dep'], // as depmod makes it, also through /lib
  ];
  const taken = [
    'usr/bin/busybox',
    'boot/vmlinuz-6.12',
    '/lib64/ld-linux-x86-64.so.2',
    '/lib/x86_64-linux-gnu/libc.so.6',
  ];
  const { packages, unknown } = provenanceOf(owned, root, taken, new Set(['etc/holdfast']));
  assert.deepEqual([...packages].sort(), ['bash', 'busybox-static', 'libc6', 'linux-image']);
  assert.deepEqual(unknown, []);
});

test('names files that no package contains, in the root and in boot images', () => {
  const { unknown } = provenanceOf(owned, ['usr/bin/miner', 'usr/bin/bash'], ['usr/lib/evil.efi'], new Set());
  assert.deepEqual(unknown, ['usr/bin/miner', 'usr/lib/evil.efi']);
});

test('a build fails when it would ship a file without an origin', async () => {
  const [root, image] = [join(directory, 'root'), join(directory, 'image')];
  for (const path of [join(root, 'usr/bin'), join(image, 'rootfs/usr/bin')])
    await mkdir(path, { recursive: true });
  for (const name of ['bash', 'ours']) await writeFile(join(root, 'usr/bin', name), '');
  await writeFile(join(image, 'rootfs/usr/bin/ours'), '');
  // a link in the root leads to a directory of the host
  await mkdir(join(directory, 'host'));
  await writeFile(join(directory, 'host/file'), '');
  await symlink(join(directory, 'host'), join(root, 'usr/link'));
  assert.deepEqual([...(await shippedPackages(owned, root, [], image))], ['bash']);
  await writeFile(join(root, 'usr/bin/miner'), '');
  await assert.rejects(shippedPackages(owned, root, [], image), {
    code: 'release.provenance',
    why: 'no package contains usr/bin/miner',
  });
});

test('a package that was taken out of the root is shipped when a boot image has a file of it', () => {
  const entry = {
    name: 'busybox-static',
    version: '1',
    architecture: 'amd64',
    source: 'busybox',
    sourceVersion: '1',
  };
  const shipped = new Set(['busybox-static']);
  assert.equal(withShipped({ ...entry, takenOut: true }, shipped).takenOut, false);
  assert.equal(withShipped({ ...entry, takenOut: true }, new Set()).takenOut, true);
  assert.equal(withShipped({ ...entry, takenOut: false }, new Set()).takenOut, false);
});

test('reads the lists of dpkg, also those with an architecture in their name', async () => {
  const info = join(directory, 'installed/var/lib/dpkg/info');
  await mkdir(info, { recursive: true });
  await writeFile(join(info, 'bash.list'), '/.\n/bin/bash\n');
  await writeFile(join(info, 'libc6:amd64.list'), '/usr/lib/libc.so.6\n');
  await writeFile(join(info, 'bash.md5sums'), '');
  assert.deepEqual(
    await packageFiles(join(directory, 'installed')),
    new Map([
      ['bash', ['/.', '/bin/bash']],
      ['libc6', ['/usr/lib/libc.so.6']],
    ]),
  );
});
