import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { copyFile, readFile, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from '../../src/base/process.ts';
import { verifyImage } from '../../src/verity/verify.ts';
import { formattedImage, uuid } from '../support/formatted-image.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-verity-'));
after(() => rmSync(directory, { recursive: true }));

/** One block; a full tree block and one more; reads that end inside the image; three levels. */
for (const blocks of [1, 2, 127, 128, 129, 257, 600, 128 ** 2 + 1]) {
  test(`formats an image of ${blocks} blocks as veritysetup does, and each verifies the other's`, async () => {
    const { path, expected } = await formattedImage(join(directory, `ours-${blocks}`), blocks);
    const peer = join(directory, `peer-${blocks}`);
    await copyFile(path, peer);
    await truncate(peer, expected.dataSize);
    const offset = `--hash-offset=${expected.dataSize}`;
    const { stdout } = await run('veritysetup', ['format', '--salt=-', `--uuid=${uuid}`, offset, peer, peer]);

    assert.equal(/^Root hash:\s+(\w+)$/m.exec(stdout.toString())?.[1], expected.rootHash);
    assert.ok((await readFile(path)).equals(await readFile(peer)));
    await verifyImage(peer, expected);
    await run('veritysetup', ['verify', offset, path, path, expected.rootHash]);
    rmSync(path);
    rmSync(peer);
  });
}
