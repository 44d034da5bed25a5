import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectVsock } from '../../../src/channel/vsock.ts';

const directory = await mkdtemp(join(tmpdir(), 'holdfast-vsock-'));
after(() => rm(directory, { recursive: true }));
let count = 0;

/** Serves a socket as vhost-device-vsock does, with the answers of the test. */
async function front(play: (socket: Socket) => void): Promise<string> {
  const path = join(directory, `${count++}.sock`);
  const server = createServer({ allowHalfOpen: true }, play);
  server.listen(path);
  await once(server, 'listening');
  after(() => server.close());
  return path;
}

test('reads an answer split anywhere, and leaves the bytes after it in the stream', async () => {
  const answer = 'OK 1073741824\nSSH-2.0-x\r\n';
  for (const cut of [1, 3, 13, 14, 15, answer.length]) {
    const asked: Buffer[] = [];
    const path = await front((socket) => {
      socket.on('data', (data) => asked.push(data));
      socket.write(answer.slice(0, cut));
      setTimeout(() => socket.end(answer.slice(cut)), 5);
    });
    const stream = await connectVsock(path, 22);
    const read: Buffer[] = await stream.toArray();
    assert.equal(Buffer.concat(read).toString(), 'SSH-2.0-x\r\n');
    assert.equal(Buffer.concat(asked).toString(), 'CONNECT 22\n');
  }
});

test('passes bytes and the end of data in both directions', async () => {
  const path = await front((socket) => {
    socket.once('data', () => {
      socket.write('OK 1\n');
      socket.pipe(socket);
    });
  });
  const stream = await connectVsock(path, 22);
  const sent = Buffer.alloc(3_000_000, 'holdfast');
  stream.end(sent);
  assert.ok(Buffer.concat(await stream.toArray()).equals(sent));
});

test('distinguishes a missing daemon, a closed port, a malformed answer and a timeout', async () => {
  await assert.rejects(connectVsock(join(directory, 'absent'), 22), { code: 'channel.unreachable' });
  await assert.rejects(connectVsock(join(directory, 'x'.repeat(200)), 22), { code: 'channel.unreachable' });
  const closing = await front((socket) => socket.end());
  await assert.rejects(connectVsock(closing, 22), { code: 'channel.refused' });
  for (const nonsense of [
    'ERROR\n',
    'OK\n',
    'OK x\n',
    'OK 12345678901\n',
    '\n',
    'SSH-2.0-OpenSSH_10.0\r\n',
  ]) {
    const talking = await front((socket) => socket.write(nonsense));
    await assert.rejects(connectVsock(talking, 22), { code: 'channel.malformed' }, nonsense);
  }
  const endless = await front((socket) => socket.write('x'.repeat(1_000_000)));
  await assert.rejects(connectVsock(endless, 22), { code: 'channel.malformed' });
  const silent = await front(() => {});
  await assert.rejects(connectVsock(silent, 22, { timeoutMs: 30 }), { code: 'channel.timeout' });
});

test('destroying a stream half-closes and drains it, so that the daemon never writes to a closed client', async () => {
  const problems: unknown[] = [];
  let sent = 0;
  let heardEnd = false;
  const path = await front((socket) => {
    socket.on('error', (error) => problems.push(error));
    socket.on('end', () => {
      heardEnd = true;
    });
    socket.once('data', () => {
      socket.write('OK 1\n');
      const chunk = Buffer.alloc(256 * 1024);
      const pour = () => {
        sent += chunk.length;
        if (sent < 20_000_000) socket.write(chunk, pour);
        else socket.end();
      };
      pour();
    });
  });
  const stream = await connectVsock(path, 22);
  await once(stream, 'data');
  stream.destroy();
  while (sent < 20_000_000) await sleep(5);
  await sleep(20);
  assert.deepEqual(problems, []);
  assert.ok(heardEnd);
});
