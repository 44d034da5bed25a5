import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkEpoch } from '../../../src/release/epoch.ts';
import type { ReleaseManifest } from '../../../src/release/manifest.ts';
import { listOverlayContent, overlayContent } from '../../../src/release/overlay-content.ts';
import { readSmallFile } from '../../../src/release/small-files.ts';

test('the content of a release in its overlays is listed, each directory before its content', async () => {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-overlays-'));
  try {
    for (const directory of ['etc/ssl', 'home', 'root'])
      mkdirSync(join(root, directory), { recursive: true });
    for (const [directory, mode] of [
      ['etc', 0o755],
      ['etc/ssl', 0o755],
      ['home', 0o755],
      ['root', 0o700],
    ] as const)
      chmodSync(join(root, directory), mode);
    writeFileSync(join(root, 'etc/ssl/Főt.pem'), 'abc');
    chmodSync(join(root, 'etc/ssl/Főt.pem'), 0o640);
    symlinkSync('../über', join(root, 'etc/link'));
    const content = overlayContent.parse(await listOverlayContent(root));
    assert.deepEqual(
      content.etc.map(({ path, type, mode }) => [path, type, mode]),
      [
        ['', 'directory', 0o755],
        ['link', 'link', 0o777],
        ['ssl', 'directory', 0o755],
        ['ssl/F\xc5\x91t.pem', 'file', 0o640],
      ],
    );
    assert.deepEqual([content.root.length, content.root[0]?.mode], [1, 0o700]);
    const [, link, , file] = content.etc;
    assert.equal(link?.type === 'link' && link.target, '../\xc3\xbcber');
    assert.equal(file?.type === 'file' && file.sha256, createHash('sha256').update('abc').digest('hex'));
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('reads releases of an older version, which have folder for directory', () => {
  const top = { type: 'folder', path: '', mode: 0o755, user: 0, group: 0 };
  const content = overlayContent.parse({ format: 1, etc: [top], home: [], root: [] });
  assert.deepEqual(content.etc, [{ ...top, type: 'directory' }]);
});

test('only signed descriptions of a release are read', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-small-'));
  try {
    const text = JSON.stringify({ format: 1, etc: [], home: [], root: [] });
    const digest = createHash('sha256').update(text).digest('hex');
    const overlays = { name: 'overlays.json', size: text.length, sha256: digest };
    const manifest = { overlays } as unknown as ReleaseManifest;
    writeFileSync(join(directory, 'overlays.json'), text);
    assert.deepEqual(await readSmallFile(directory, manifest, 'overlays'), JSON.parse(text));
    writeFileSync(join(directory, 'overlays.json'), `${text} `);
    await assert.rejects(readSmallFile(directory, manifest, 'overlays'), {
      code: 'release.damaged',
      why: /SHA-256/,
    });
    rmSync(join(directory, 'overlays.json'));
    await assert.rejects(readSmallFile(directory, manifest, 'overlays'), { code: 'release.damaged' });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('an earlier epoch is rejected, the same is accepted', () => {
  const manifest = { version: '13.1', epoch: 2 } as ReleaseManifest;
  for (const reached of [0, 1, 2]) checkEpoch(manifest, reached, 'machine');
  assert.throws(() => checkEpoch(manifest, 3, 'machine'), {
    code: 'release.epoch',
    why: 'its epoch is 2; this machine has had a release of epoch 3',
  });
});
