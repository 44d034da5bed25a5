import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from '../../src/base/process.ts';
import { WriteLog } from '../fault/prefixes/write-log.ts';

const directory = await mkdtemp(join(tmpdir(), 'holdfast-write-log-'));
after(() => rm(directory, { recursive: true }));

test("reads back the complete entries of QEMU's blklogwrites", async () => {
  const [disk, path] = [join(directory, 'disk'), join(directory, 'log')];
  await writeFile(path, '');
  await run('qemu-img', ['create', '-q', '-f', 'raw', disk, '4M']);
  const log = new WriteLog(path);
  assert.deepEqual(await log.read(0), []);
  const options = `driver=blklogwrites,log-super-update-interval=1,file.driver=file,file.filename=${disk},log.driver=file,log.filename=${path}`;
  const commands = ['write -P 7 4096 8192', 'flush', 'discard 0 2M', 'write -P 3 512 512'];
  await run('qemu-io', ['--image-opts', options, ...commands.flatMap((command) => ['-c', command])]);
  const { size } = await stat(path);
  assert.deepEqual(await log.read(600), [], 'an entry whose data are not there yet');
  const found = await log.read(size);
  assert.deepEqual(
    found
      .slice(0, 6)
      .map((write) => (write.kind === 'flush' ? write : [write.offset, write.data.length, write.data[0]])),
    [
      [4096, 8192, 7],
      { kind: 'flush' },
      [0, 1048576, 0],
      [1048576, 1048576, 0],
      [512, 512, 3],
      { kind: 'flush' },
    ],
  );
  assert.deepEqual(await log.read(size), [], 'each entry comes once');
});
