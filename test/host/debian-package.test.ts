import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  appendFile,
  chmod,
  cp,
  mkdtemp,
  readdir,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { HoldfastError } from '../../src/base/errors.ts';
import { digestOfFile } from '../../src/base/file-digest.ts';
import { run } from '../../src/base/process.ts';
import { type DebianPackage, unpackDebianPackage } from '../../src/debian/fetch-package.ts';
import { isCopyGood } from '../../src/debian/fetched-copy.ts';
import type { PackagePins } from '../../src/debian/package-pins.ts';

const fixture = join(import.meta.dirname, 'fixtures/debian-archive');
const debFile = 'pool/sid/hello-fixture_1.0_amd64.deb';
const program = 'usr/bin/hello-fixture';
const helloProgram = '#!/bin/sh\necho hello\n';
const pins: PackagePins = {
  least: '1.0',
  versions: {
    '1.0': {
      archive: await digestOfFile(join(fixture, debFile)),
      programs: { [program]: createHash('sha256').update(helloProgram).digest('hex') },
    },
  },
};
const directory = await mkdtemp(join(tmpdir(), 'holdfast-debian-'));
after(() => rm(directory, { recursive: true }));

/** Copies the fixture, which a test can damage, and creates an empty directory to unpack into. */
async function archive(name: string): Promise<{ wanted: DebianPackage; tools: string; copy: string }> {
  const copy = join(directory, name, 'archive');
  await cp(fixture, copy, { recursive: true });
  const wanted = {
    name: 'hello-fixture',
    suite: 'sid',
    mirror: `copy:${copy}`,
    keyring: join(fixture, 'keyring.gpg'),
    pins,
  };
  return { wanted, tools: join(directory, name, 'tools'), copy };
}

async function refused(wanted: DebianPackage, tools: string, code: string, why: RegExp): Promise<void> {
  await assert.rejects(unpackDebianPackage(wanted, join(tools, wanted.name)), (error) => {
    assert.ok(error instanceof HoldfastError);
    assert.equal(error.code, code);
    assert.match(error.why ?? '', why);
    return true;
  });
  assert.deepEqual(await readdir(tools).catch(() => []), [], 'nothing is left');
}

test('unpacks a signed package, also below a directory with an unusual name', async () => {
  const { wanted, tools } = await archive('an "odd"; name');
  const target = join(tools, 'hello');
  await unpackDebianPackage({ ...wanted, mirror: `copy:${fixture}` }, target);
  const { stdout } = await run(join(target, 'usr/bin/hello-fixture'), []);
  assert.equal(stdout.toString(), 'hello\n');
  assert.deepEqual(await readdir(tools), ['hello']);
  assert.equal(await isCopyGood(target, pins), true);
});

test('denies an old version that the archive once signed, and a known version with other content', async () => {
  const { wanted, tools } = await archive('versions');
  await refused({ ...wanted, suite: 'old' }, tools, 'package.outdated', /earliest version to use is 1\.0/);
  await refused({ ...wanted, suite: 'changed' }, tools, 'package.digest', /instead of/);
});

test('accepts an unknown newer version from a current archive only', async () => {
  const { wanted, tools } = await archive('newer');
  for (const [suite, why] of [
    ['stale', /was current until 2026-11-08/],
    ['dated', /was current until 2026-01-15/],
  ] as const)
    await refused({ ...wanted, suite }, tools, 'package.stale', why);
  const target = join(tools, 'hello');
  await unpackDebianPackage({ ...wanted, suite: 'newer' }, target);
  assert.equal((await run(join(target, program), [])).stdout.toString(), 'newer\n');
  assert.equal(await isCopyGood(target, pins), true);
  assert.equal(await isCopyGood(target, { ...pins, least: '1.2' }), false, 'its minimum was raised since');
});

test('a copy that was changed after it was unpacked is not used, but fetched again', async () => {
  const { wanted, tools } = await archive('copy');
  const target = join(tools, 'hello');
  const record = join(target, 'holdfast-package.json');
  assert.equal(await isCopyGood(target, pins), false, 'none');
  const changes: readonly (() => Promise<unknown>)[] = [
    () => appendFile(join(target, program), '# more\n'),
    () => rm(join(target, program)),
    () => writeFile(join(target, 'usr/bin/other'), 'added'),
    async () => {
      await rm(join(target, program));
      await symlink('/bin/true', join(target, program));
    },
    async () => {
      // the same content, but not in the copy
      await rename(join(target, 'usr/bin'), join(tools, 'elsewhere'));
      await symlink(join(tools, 'elsewhere'), join(target, 'usr/bin'));
    },
    async () => {
      // with a record that fits: the known version has another program
      await writeFile(join(target, program), 'other');
      const other = createHash('sha256').update('other').digest('hex');
      await writeFile(record, JSON.stringify({ format: 1, version: '1.0', files: { [program]: other } }));
    },
    async () => {
      await writeFile(join(target, program), 'other');
      await writeFile(record, 'damaged');
    },
  ];
  for (const [index, change] of changes.entries()) {
    await unpackDebianPackage(wanted, target);
    assert.equal(await isCopyGood(target, pins), true);
    await change();
    assert.equal(await isCopyGood(target, pins), false, `change ${index}`);
  }
  await unpackDebianPackage(wanted, target);
  await rm(record);
  assert.equal(await isCopyGood(target, pins), true, 'of an earlier Holdfast: a known version');
  await chmod(join(target, 'usr'), 0o777);
  await assert.rejects(isCopyGood(target, pins), { code: 'file.exposed' });
});

test('rejects an archive signed by another key', async () => {
  const { wanted, tools } = await archive('keyring');
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  await refused({ ...wanted, keyring }, tools, 'package.fetch', /NO_PUBKEY|not signed|Missing key/);
});

test('trusts no archive without a keyring', async () => {
  const { wanted, tools } = await archive('none');
  await refused({ ...wanted, keyring: '/no/such/keyring.gpg' }, tools, 'package.fetch', /./);
});

test('rejects a changed Release file', async () => {
  const { wanted, tools, copy } = await archive('release');
  await run('sed', ['-i', 's/Origin: Fixture/Origin: Debian/', join(copy, 'dists/sid/InRelease')]);
  await refused(wanted, tools, 'package.fetch', /BADSIG|signature|not signed/i);
});

test('rejects an unsigned archive', async () => {
  const { wanted, tools, copy } = await archive('unsigned');
  await rm(join(copy, 'dists/sid/InRelease'));
  await refused(wanted, tools, 'package.fetch', /./);
});

test('rejects a changed package list and a changed or truncated package', async () => {
  const list = await archive('list');
  await appendFile(join(list.copy, 'dists/sid/main/binary-amd64/Packages'), '\nPackage: other\n');
  await refused(list.wanted, list.tools, 'package.fetch', /./);

  const longer = await archive('longer');
  await appendFile(join(longer.copy, debFile), 'x');
  await refused(longer.wanted, longer.tools, 'package.fetch', /./);

  const cut = await archive('cut');
  await truncate(join(cut.copy, debFile), 100);
  await refused(cut.wanted, cut.tools, 'package.fetch', /./);
});

test('reports an unknown package and an unreachable mirror', async () => {
  const { wanted, tools } = await archive('unknown');
  await refused({ ...wanted, name: 'no-such-package' }, tools, 'package.fetch', /no-such-package/);
  await refused(
    { ...wanted, mirror: 'copy:/no/such/directory' },
    tools,
    'package.fetch',
    /no\/such\/directory/,
  );
});

test('a mirror name cannot inject lines into the configuration of apt', async () => {
  const { wanted, tools } = await archive('lines');
  for (const mirror of ['', 'mirror', `${wanted.mirror}\nTrusted: yes`, `${wanted.mirror} sid`]) {
    await refused({ ...wanted, mirror }, tools, 'package.mirror', /not a URL/);
  }
});
