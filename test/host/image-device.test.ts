import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from '../../src/base/process.ts';
import { withImage } from '../../src/hypervisor/qemu/image-device.ts';

const directory = await mkdtemp(join(tmpdir(), 'holdfast-image, '));
after(() => rm(directory, { recursive: true }));

const unreached = async () => assert.fail('it was opened');
const path = join(directory, 'disk.qcow2');
await run('qemu-img', ['create', '-q', '-f', 'qcow2', path, '8M']);

test('writes a disk exclusively, and reads it also concurrently', async () => {
  await withImage(path, 'write', async (disk) => {
    await disk.write(4096, Buffer.alloc(8192, 'new'));
    await disk.flush();
    await assert.rejects(withImage(path, 'write', unreached), {
      code: 'disk.device',
      why: /lock.*another process/,
    });
  });
  const read = () => withImage(path, 'read', (disk) => disk.read(Buffer.alloc(3), 4096));
  assert.deepEqual((await Promise.all([read(), read()])).map(String), ['new', 'new']);
});

test('read access cannot write, and failures leave no files behind', async () => {
  await assert.rejects(
    withImage(path, 'read', (disk) => disk.write(0, Buffer.of(1))),
    { code: 'disk.device' },
  );
  await assert.rejects(withImage(join(directory, 'none'), 'read', unreached), {
    code: 'disk.device',
    why: /No such file/,
  });
  assert.deepEqual(await readdir(directory), ['disk.qcow2']);
});
