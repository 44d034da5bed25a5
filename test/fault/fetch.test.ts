import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openSource } from '../../src/repository/source/open.ts';
import { type FakeRelease, Workshop } from '../support/repository.ts';

const program = fileURLToPath(new URL('../support/fetch-process.ts', import.meta.url));
const kills = 8;

let shop: Workshop;
let release: FakeRelease;

before(async () => {
  shop = await Workshop.open();
  release = await shop.release(
    '13.1.1',
    Array.from({ length: 4000 }, (_, at) => at),
  );
  await shop.publish(release);
});

after(() => shop.close());

test('a fetch that is killed repeatedly never leaves an incomplete release, and the next one completes it', async () => {
  const fetched = join(shop.directory, 'host', 'fetched');
  let killed = 0;
  for (let turn = 0; turn < kills; turn += 1) {
    const child = spawn(process.execPath, [program, shop.directory], { stdio: 'inherit' });
    const ended = once(child, 'exit');
    await Promise.race([ended, sleep(150 + turn * 60)]);
    child.kill('SIGKILL');
    const [code] = await ended;
    if (code === null) killed += 1;
    // the manifest is written last: a directory with it is complete
    const directories = await readdir(fetched).catch(() => []);
    for (const digest of directories.filter((name) => name !== '.lock')) {
      if (!(await readdir(join(fetched, digest))).includes('release.json')) continue;
      await assertSame(join(fetched, digest));
    }
  }
  const { release: last } = await shop.fetch(await openSource(shop.repository));
  await assertSame(last.directory);
  assert(killed >= 3, `only ${killed} of ${kills} were killed in the middle`);
});

async function assertSame(directory: string): Promise<void> {
  for (const name of await readdir(release.directory))
    assert(
      (await readFile(join(directory, name))).equals(await readFile(join(release.directory, name))),
      name,
    );
}
