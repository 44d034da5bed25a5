import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Progress } from '../../src/base/progress.ts';
import { silent } from '../../src/base/progress.ts';
import { homeAt } from '../../src/machine/paths.ts';
import { type KeyPair, keyPair } from '../../src/release/keys.ts';
import { sha256 } from '../../src/release/manifest.ts';
import {
  completeRelease,
  importRelease,
  removeUnusedReleases,
  storedManifest,
  trustedCertificate,
  withReleaseStore,
} from '../../src/release/store.ts';
import { makeFakeRelease } from '../support/fake-release.ts';

let scratch: string;
let key: KeyPair;
let source: string;
let home = 0;
const signal = new AbortController().signal;

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'holdfast-store-'));
  key = await keyPair(join(scratch, 'keys'), 'release');
  source = join(scratch, 'release');
  await makeFakeRelease(source, key);
});
after(() => rm(scratch, { recursive: true }));

/** Creates a store that trusts the test key. */
function newStore() {
  return { ...homeAt(join(scratch, `home-${++home}`)), keys: join(scratch, 'keys') };
}

function titles(): { seen: string[]; progress: Progress } {
  const seen: string[] = [];
  return {
    seen,
    progress: {
      step: (title, work) => {
        seen.push(title);
        return silent.step(title, work);
      },
    },
  };
}

test('verifies and imports a release once, read-only; a second import does nothing', async () => {
  const directories = newStore();
  const { seen, progress } = titles();
  const [first, second] = await withReleaseStore(directories, 'test', async () => [
    await importRelease(source, directories, progress, signal),
    await importRelease(source, directories, progress, signal),
  ]);
  assert.deepEqual(seen, ['Verifying the release', 'Importing the release']);
  assert.deepEqual(first, second);
  assert.equal(statSync(first.baseImage).mode & 0o777, 0o444);
  assert.deepEqual(readdirSync(dirname(first.baseImage)).sort(), [
    'base.raw',
    'overlays.json',
    'packages.json',
    'release.json',
    'release.json.sig',
  ]);
  assert.deepEqual(await storedManifest(directories, first.digest), first.manifest);
  assert.equal(statSync(directories.releases).mode & 0o777, 0o700);
});

test('importing a damaged release leaves nothing in the store', async () => {
  const directories = newStore();
  const damaged = join(scratch, 'damaged');
  await makeFakeRelease(damaged, key, 'd');
  await truncate(join(damaged, 'root.img'), 1);
  await assert.rejects(
    withReleaseStore(directories, 'test', () => importRelease(damaged, directories, silent, signal)),
    { code: 'release.damaged' },
  );
  assert.deepEqual(readdirSync(directories.releases), ['.lock']);
});

test('an interrupted import leaves nothing in the store', async () => {
  const directories = newStore();
  const controller = new AbortController();
  const progress: Progress = {
    step: (title, work) => {
      if (title === 'Importing the release') controller.abort(new Error('interrupted'));
      return silent.step(title, work);
    },
  };
  await assert.rejects(
    withReleaseStore(directories, 'test', () =>
      importRelease(source, directories, progress, controller.signal),
    ),
    /interrupted/,
  );
  assert.deepEqual(readdirSync(directories.releases), ['.lock']);
});

test('an import removes the remains of a killed import', async () => {
  const directories = newStore();
  const left = join(directories.releases, `.${'ab'.repeat(32)}`);
  await mkdir(left, { recursive: true });
  await writeFile(join(left, 'base.raw'), 'half');
  await withReleaseStore(directories, 'test', () => importRelease(source, directories, silent, signal));
  assert.equal(existsSync(left), false);
});

test('imports a damaged stored release again', async () => {
  const directories = newStore();
  const bring = () =>
    withReleaseStore(directories, 'test', () => importRelease(source, directories, silent, signal));
  const { baseImage } = await bring();
  const { size } = statSync(baseImage);
  await truncate(baseImage, 0);
  await bring();
  assert.equal(statSync(baseImage).size, size);
});

test('imports a stored release again that a power failure truncated', async () => {
  const directories = newStore();
  const bring = () =>
    withReleaseStore(directories, 'test', () => importRelease(source, directories, silent, signal));
  const { baseImage, digest, manifest } = await bring();
  assert.deepEqual((await completeRelease(directories, digest))?.manifest, manifest);
  await truncate(join(dirname(baseImage), 'overlays.json'), 0);
  assert.equal(await completeRelease(directories, digest), undefined);
  await bring();
  assert.deepEqual((await completeRelease(directories, digest))?.manifest, manifest);
});

test('keeps releases that a machine uses and removes others', async () => {
  const directories = newStore();
  const other = join(scratch, 'other');
  await makeFakeRelease(other, key, 'o');
  await withReleaseStore(directories, 'test', async () => {
    const kept = await importRelease(source, directories, silent, signal);
    const removed = await importRelease(other, directories, silent, signal);
    await removeUnusedReleases(directories, new Set([kept.digest]));
    assert.ok(existsSync(kept.baseImage));
    assert.equal(await storedManifest(directories, removed.digest), undefined);
    await removeUnusedReleases(directories, new Set());
    assert.deepEqual(readdirSync(directories.releases), ['.lock']);
  });
});

test('accepts only the trusted key', async () => {
  const directories = { ...newStore(), keys: join(scratch, 'foreign') };
  await keyPair(directories.keys, 'release');
  assert.ok(existsSync(trustedCertificate(directories)));
  await assert.rejects(
    withReleaseStore(directories, 'test', () => importRelease(source, directories, silent, signal)),
    { code: 'release.signature' },
  );
});

test('returns no manifest for a missing release, and reports a damaged one', async () => {
  const directories = newStore();
  assert.equal(await storedManifest(directories, sha256.parse('0'.repeat(64))), undefined);
  const { digest, baseImage } = await withReleaseStore(directories, 'test', () =>
    importRelease(source, directories, silent, signal),
  );
  const manifest = join(dirname(baseImage), 'release.json');
  await rm(manifest);
  await appendFile(manifest, 'x');
  await assert.rejects(storedManifest(directories, digest), { code: 'release.damaged' });
});
