import assert from 'node:assert/strict';
import { appendFile, cp, mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { HoldfastError } from '../../src/base/errors.ts';
import { run } from '../../src/base/process.ts';
import { type DebianPackage, unpackDebianPackage } from '../../src/debian/fetch-package.ts';

const fixture = join(import.meta.dirname, 'fixtures/debian-archive');
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

test('unpacks a signed package once, also below a directory with an unusual name', async () => {
  const { wanted, tools, copy } = await archive('an "odd"; name');
  const target = join(tools, 'hello');
  await unpackDebianPackage({ ...wanted, mirror: `copy:${fixture}` }, target);
  const { stdout } = await run(join(target, 'usr/bin/hello-fixture'), []);
  assert.equal(stdout.toString(), 'hello\n');
  assert.deepEqual(await readdir(tools), ['hello']);
  await rm(copy, { recursive: true });
  await unpackDebianPackage(wanted, target);
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
  await appendFile(join(longer.copy, 'pool/hello-fixture_1.0_amd64.deb'), 'x');
  await refused(longer.wanted, longer.tools, 'package.fetch', /./);

  const cut = await archive('cut');
  await truncate(join(cut.copy, 'pool/hello-fixture_1.0_amd64.deb'), 100);
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
