import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { exists } from '../../src/base/files.ts';
import { run, start } from '../../src/base/process.ts';
import { connectNbd } from '../../src/disk/nbd.ts';
import { withImage } from '../../src/hypervisor/qemu/image-device.ts';
import { eventually } from '../support/eventually.ts';

const directory = await mkdtemp(join(tmpdir(), 'holdfast-nbd-'));
after(() => rm(directory, { recursive: true }));
const size = 8 * 1024 * 1024;

/** Runs `work` with a file served by qemu-nbd. */
async function served(work: (socket: string, file: string, stop: () => void) => Promise<void>) {
  const file = join(directory, 'disk');
  const socket = join(directory, 'nbd.sock');
  await writeFile(file, Buffer.alloc(size, 'abc'));
  const server = start('qemu-nbd', ['-t', '-f', 'raw', '-k', socket, '-x', 'disk', file], {});
  const ended = once(server, 'exit');
  try {
    await eventually(() => exists(socket), { within: 30_000 });
    await work(socket, file, () => server.kill());
  } finally {
    server.kill();
    await ended;
  }
}

test('reads the content of the file and writes to it', () =>
  served(async (socket, file) => {
    const disk = await connectNbd(socket, 'disk');
    assert.equal(disk.size, size);
    const content = await readFile(file);
    const offsets = Array.from({ length: 64 }, (_, index) => index * 100_003);
    const pieces = await Promise.all(offsets.map((offset) => disk.read(Buffer.alloc(5000), offset)));
    for (const [index, offset] of offsets.entries())
      assert.ok(pieces[index]?.equals(content.subarray(offset, offset + 5000)));
    await disk.write(4096, Buffer.alloc(3 * 1024 * 1024, 'new'));
    await disk.flush();
    assert.ok((await disk.read(Buffer.alloc(3), 4096)).equals(Buffer.from('new')));
    await disk.close();
    assert.ok((await readFile(file)).subarray(4096, 4099).equals(Buffer.from('new')));
  }));

test('read access works also while the file is locked by a writer, and rejects writes', async () => {
  const path = join(directory, 'a machine, and its disk.qcow2');
  const raw = join(directory, 'raw');
  await writeFile(raw, Buffer.alloc(size, 'at rest'));
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, path]);
  const read = () =>
    withImage(path, 'read', async (disk) => {
      await assert.rejects(disk.write(0, Buffer.of(1)), { code: 'disk.device' });
      return (await disk.read(Buffer.alloc(7), 0)).toString();
    });
  assert.equal(await read(), 'at rest');
  const writer = start('qemu-nbd', ['-t', '-f', 'qcow2', '-k', join(directory, 'writer.sock'), path], {});
  const ended = once(writer, 'exit');
  await eventually(() => exists(join(directory, 'writer.sock')), { within: 30_000 });
  assert.equal(await read(), 'at rest');
  writer.kill();
  await ended;
  await assert.rejects(
    withImage(join(directory, 'none'), 'read', async () => {}),
    { code: 'disk.device' },
  );
});

test('rejects requests beyond the end of the disk without sending them', () =>
  served(async (socket) => {
    const disk = await connectNbd(socket, 'disk');
    await assert.rejects(disk.read(Buffer.alloc(2), size - 1), RangeError);
    await assert.rejects(disk.write(size, Buffer.of(1)), RangeError);
    await disk.close();
  }));

test('reports a missing export, a missing server, and a lost connection', () =>
  served(async (socket, _file, stop) => {
    await assert.rejects(connectNbd(socket, 'other'), { code: 'disk.device' });
    await assert.rejects(connectNbd(join(directory, 'missing'), 'disk'), {
      code: 'disk.device',
      why: /ENOENT/,
    });
    const disk = await connectNbd(socket, 'disk');
    stop();
    await assert.rejects(
      async () => {
        for (;;) await disk.read(Buffer.alloc(4096), 0);
      },
      { code: 'disk.device' },
    );
    await disk.close();
  }));

test('rejects servers that violate the protocol', async () => {
  const path = join(directory, 'liar.sock');
  const lies = [
    Buffer.from('HTTP/1.1 400 Bad Request'),
    Buffer.from('NBDMAGICIHAVEOPT\0\0'), // not the fixed newstyle
    Buffer.concat([Buffer.from('NBDMAGICIHAVEOPT\0\x03'), Buffer.alloc(20)]),
    Buffer.concat([
      Buffer.from('NBDMAGICIHAVEOPT\0\x03'),
      Buffer.from('0003e889045565a9000000070000000300ffffff', 'hex'), // a reply of 16 MB
    ]),
  ];
  for (const lie of lies) {
    const server = createServer((socket) =>
      socket
        .on('error', () => {})
        .resume()
        .write(lie),
    );
    server.listen(path);
    await once(server, 'listening');
    await assert.rejects(connectNbd(path, 'disk'), { code: 'disk.device' });
    server.close();
    await once(server, 'close');
  }
});

test('a server that ends in the middle of a reply fails the pending requests', async () => {
  const path = join(directory, 'dying.sock');
  const optionReply = (kind: number, data: Buffer) => {
    const header = Buffer.from('0003e889045565a9000000070000000000000000', 'hex');
    header.writeUInt32BE(kind, 12);
    header.writeUInt32BE(data.length, 16);
    return Buffer.concat([header, data]);
  };
  const server = createServer(async (socket) => {
    socket.on('error', () => {});
    socket.write('NBDMAGICIHAVEOPT\0\x03');
    await once(socket, 'data');
    const size = Buffer.from('0000000000000010000000000001', 'hex'); // information 0: 1 MiB
    socket.write(Buffer.concat([optionReply(3, size.subarray(0, 12)), optionReply(1, Buffer.alloc(0))]));
    const request = ((await once(socket, 'data')) as [Buffer])[0];
    const reply = Buffer.from('67446698000000000000000000000000', 'hex');
    request.copy(reply, 8, 8, 16); // its cookie
    socket.write(Buffer.concat([reply, Buffer.alloc(1000)]), () => socket.destroy());
  });
  server.listen(path);
  await once(server, 'listening');
  const disk = await connectNbd(path, 'disk');
  await assert.rejects(disk.read(Buffer.alloc(65536), 0), { code: 'disk.device' });
  await assert.rejects(disk.flush(), { code: 'disk.device' });
  server.close();
});
