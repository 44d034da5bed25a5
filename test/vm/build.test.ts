import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from '../../src/base/process.ts';
import { listOverlayContent, overlayContent } from '../../src/release/overlay-content.ts';
import type { PackageLock } from '../../src/release/package-lock.ts';
import { builtRelease, expectDone, holdfast, home } from '../support/vm/machine.ts';

/*
 * Whole builds from Debian's packages.
 */

const again = join(home.directory, 'build-again');
after(() => rm(again, { recursive: true, force: true }));

test('an unchanged rebuild reports that, and builds nothing', async () => {
  const release = await builtRelease();
  const before = await digests(release);
  const startedAt = performance.now();
  const { built } = JSON.parse(await expectDone(['build', '--json', '--out', release]));
  assert.equal(built, false);
  assert.ok(performance.now() - startedAt < 20_000, 'a build takes longer');
  assert.deepEqual(await digests(release), before);
});

test('the same package lock results in the same bytes', async () => {
  const release = await builtRelease();
  await expectDone(['build', '--out', again, '--lock', join(release, 'packages.json')]);
  const [first, second] = [await digests(release), await digests(again)];
  // the inputs of the build, by which the next one detects changes: a lock is not the newest packages
  for (const files of [first, second]) assert.ok(files.delete('inputs'));
  assert.ok(first.size >= 7);
  assert.deepEqual(second, first);
});

test('a release lists the content of its image below the overlays', async () => {
  const release = await builtRelease();
  const content = overlayContent.parse(JSON.parse(await readFile(join(release, 'overlays.json'), 'utf8')));
  const root = join(home.directory, 'extracted');
  try {
    await run('fsck.erofs', [`--extract=${root}`, '--preserve', '--overwrite', join(release, 'root.img')]);
    assert.deepEqual(await listOverlayContent(root), content);
    assert.ok(content.etc.length > 100);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

test('the SBOM names the packages of everything that is shipped, what boots first included', async () => {
  const release = await builtRelease();
  const read = async (name: string) => JSON.parse(await readFile(join(release, name), 'utf8'));
  const { packages }: PackageLock = await read('packages.json');
  const bill: { packages: { name: string; checksums?: { checksumValue: string }[] }[] } =
    await read('sbom.spdx.json');
  const names = new Set(bill.packages.map(({ name }) => name));
  for (const { name, takenOut } of packages) assert.equal(names.has(name), !takenOut, name);
  for (const name of [
    'busybox-static',
    'perl-base',
    'systemd-boot-efi',
    'dmsetup',
    'libdevmapper1.02.1',
    'keyutils',
    'libc6',
  ])
    assert.ok(names.has(name), name);
  for (const name of ['dpkg', 'apt', 'ucf']) assert.equal(names.has(name), false, name);
  const found = await digests(release);
  for (const name of ['root.img', 'holdfast.efi', 'unverified.efi', 'loader.efi'])
    assert.equal(
      bill.packages.find((each) => each.name === name)?.checksums?.[0]?.checksumValue,
      found.get(name),
      name,
    );
});

test('build replaces no directory with other content, and accepts no file that is not a package lock', async () => {
  for (const [words, message] of [
    [['--out', home.directory], /it contains something else/],
    [['--out', join(home.directory, 'none'), '--lock', import.meta.filename], /is not a package lock/],
  ] as const) {
    const { code, stderr } = await holdfast(['build', ...words]);
    assert.equal(code, 2);
    assert.match(stderr, message);
  }
});

async function digests(directory: string): Promise<Map<string, string>> {
  const names = (await readdir(directory)).sort();
  return new Map(
    await Promise.all(
      names.map(async (name) => {
        const content = await readFile(join(directory, name));
        return [name, createHash('sha256').update(content).digest('hex')] as const;
      }),
    ),
  );
}
