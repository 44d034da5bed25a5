import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import { connectQmp, type QmpEvent } from '../../../../src/hypervisor/qemu/qmp.ts';
import { LineSplitter, parseMessage } from '../../../../src/hypervisor/qemu/qmp-message.ts';

const directory = await mkdtemp(join(tmpdir(), 'holdfast-qmp-'));
after(() => rm(directory, { recursive: true }));

const greeting =
  '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "x"}, "capabilities": ["oob"]}}\r\n';

/** A QEMU that answers each command with what `script` returns for it. */
async function fakeQemu(name: string, hello: string, script: (command: string, id: number) => string) {
  const path = join(directory, name);
  const clients: Socket[] = [];
  const server = createServer((socket) => {
    clients.push(socket);
    socket.on('error', () => {});
    socket.write(hello);
    const splitter = new LineSplitter();
    socket.on('data', (chunk) => {
      for (const line of splitter.push(chunk)) {
        const { execute, id } = JSON.parse(line) as { execute: string; id: number };
        socket.write(execute === 'qmp_capabilities' ? `{"return": {}, "id": ${id}}\n` : script(execute, id));
      }
    });
  }).listen(path);
  await once(server, 'listening');
  const stop = () => {
    for (const client of clients) client.destroy();
    server.close();
  };
  return { path, stop };
}

const status = z.object({ running: z.boolean() });
const ignore = () => {};

test('responses match their commands, also out of order and between events', async () => {
  const events: QmpEvent[] = [];
  const held: string[] = [];
  const qemu = await fakeQemu('order', greeting, (_command, id) => {
    held.unshift(`{"return": {"running": ${id % 2 === 0}}, "id": ${id}}\r\n`);
    if (held.length < 2) return '{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}\r\n';
    return held.join('');
  });
  const qmp = await connectQmp(qemu.path, { onEvent: (event) => events.push(event) });
  assert.equal(qmp.version, '7.2.22');
  const answers = await Promise.all([
    qmp.execute('query-status', {}, status),
    qmp.execute('query-status', {}, status),
  ]);
  assert.deepEqual(answers, [{ running: true }, { running: false }]);
  assert.deepEqual(
    events.map(({ name }) => name),
    ['STOP'],
  );
  qmp.close();
  await qmp.closed;
  qemu.stop();
});

test('a rejected command, an unexpected response and a timeout are distinct errors', async () => {
  const qemu = await fakeQemu('answers', greeting, (command, id) => {
    if (command === 'invalid')
      return `{"error": {"class": "CommandNotFound", "desc": "no such thing"}, "id": ${id}}\n`;
    return command === 'odd' ? `{"return": {"running": "maybe"}, "id": ${id}}\n` : '';
  });
  const qmp = await connectQmp(qemu.path, { onEvent: ignore, timeoutMs: 100 });
  await assert.rejects(qmp.execute('invalid', {}, status), { code: 'qmp.refused', why: 'no such thing' });
  await assert.rejects(qmp.execute('odd', {}, status), { code: 'qmp.malformed' });
  await assert.rejects(qmp.execute('silent', {}, status), { code: 'qmp.timeout' });
  qmp.close();
  qemu.stop();
});

test('pending commands fail when QEMU ends', async () => {
  const qemu = await fakeQemu('away', greeting, () => '');
  const qmp = await connectQmp(qemu.path, { onEvent: ignore });
  const waiting = assert.rejects(qmp.execute('query-status', {}, status), { code: 'qmp.closed' });
  qemu.stop();
  await waiting;
  await qmp.closed;
  await assert.rejects(qmp.execute('query-status', {}, status), { code: 'qmp.closed' });
});

test('a server that is not QEMU is rejected', async () => {
  await assert.rejects(connectQmp(join(directory, 'missing'), { onEvent: ignore }), {
    code: 'qmp.unreachable',
  });
  const cases = {
    silent: '',
    garbage: 'SSH-2.0-OpenSSH\n',
    version: '{"QMP": {"version": 7}}\n',
    endless: 'x'.repeat(2 ** 21),
  };
  for (const [name, hello] of Object.entries(cases)) {
    const qemu = await fakeQemu(name, hello, () => '');
    const [code, timeoutMs] = name === 'silent' ? ['qmp.timeout', 20] : ['qmp.closed', 10_000];
    await assert.rejects(connectQmp(qemu.path, { onEvent: ignore, timeoutMs }), { code }, name);
    qemu.stop();
  }
});

test('messages are greeting, response or event; all others are rejected', () => {
  assert.deepEqual(parseMessage('{"event": "SHUTDOWN", "data": {"guest": true}}'), {
    kind: 'event',
    name: 'SHUTDOWN',
    data: { guest: true },
  });
  for (const line of [
    '',
    '[]',
    '7',
    'null',
    '{}',
    '{"return": {}}',
    '{"return": {}, "id": "1"}',
    '{"id": 1}',
    '{"error": "no"}',
  ])
    assert.throws(() => parseMessage(line), { code: 'qmp.malformed' }, line);
  fc.assert(
    fc.property(fc.json(), (text) => {
      try {
        parseMessage(text);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'qmp.malformed');
      }
    }),
  );
});

test('lines survive any fragmentation of the stream', () => {
  const lines = fc.array(fc.string({ unit: 'grapheme', minLength: 1 }).map((text) => JSON.stringify(text)));
  fc.assert(
    fc.property(lines, fc.infiniteStream(fc.integer({ min: 1, max: 9 })), (texts, sizes) => {
      const data = Buffer.from(texts.map((text) => `${text}\r\n`).join(''));
      const splitter = new LineSplitter();
      const seen: string[] = [];
      for (let at = 0; at < data.length; ) {
        const size = sizes.next().value ?? 1;
        seen.push(...splitter.push(data.subarray(at, at + size)));
        at += size;
      }
      assert.deepEqual(seen, texts);
    }),
  );
});
