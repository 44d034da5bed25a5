import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { keyPair, signManifest, verifyManifest } from '../../src/release/keys.ts';

test('trusts a manifest with one key and in one form only', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-keys-'));
  try {
    const [ours, theirs] = await Promise.all(
      ['ours', 'theirs'].map((name) => keyPair(join(directory, name), 'release')),
    );
    assert.ok(ours && theirs);
    const manifest = Buffer.from('{"format":1}');
    const signature = await signManifest(manifest, ours);
    await verifyManifest(manifest, signature, ours.certificate);
    await assert.rejects(verifyManifest(manifest, signature, theirs.certificate), {
      code: 'release.signature',
    });
    await assert.rejects(verifyManifest(Buffer.from('{"format":2}'), signature, ours.certificate), {
      code: 'release.signature',
    });
    assert.deepEqual(await signManifest(manifest, ours), signature, 'the same bytes each time');
  } finally {
    await rm(directory, { recursive: true });
  }
});
