import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { failure, misuse } from '../../src/base/errors.ts';
import type { GuestCommand } from '../../src/channel/guest.ts';
import { runToEnd } from '../../src/channel/run.ts';
import { openSession } from '../../src/channel/ssh.ts';
import { executeFor } from '../../src/supervisor/exec.ts';
import { ask, startThrough } from '../../src/supervisor/protocol/client.ts';
import {
  encodeFrame,
  encodeJson,
  FrameDecoder,
  frameTypes,
  inputWindow,
  protocolVersion as version,
} from '../../src/supervisor/protocol/frames.ts';
import { answer, serve } from '../../src/supervisor/protocol/server.ts';
import { eventually } from '../support/eventually.ts';
import { startSshServer } from '../support/ssh-server.ts';

const MiB = 1024 * 1024;
const sshd = await startSshServer();
const session = await openSession(await sshd.connect(), sshd.identity);
const path = join(sshd.directory, 'supervisor.sock');
await writeFile(path, 'left by a supervisor that died');
const left = Promise.withResolvers<void>();
const server = await serve(path, {
  exec: executeFor(async () => session),
  add: answer(z.object({ a: z.int(), b: z.int() }), async ({ a, b }) => a + b),
  nothing: answer(z.object({}), async () => {}),
  refuse: answer(z.object({}), async () => {
    throw misuse('usage.number', 'no', { why: 'because', next: 'do not' });
  }),
  refuseLater: answer(z.object({}), async () => {
    throw Object.assign(misuse('usage.number', 'no'), { code: 'usage.later' });
  }),
  break: answer(z.object({}), () => Promise.reject(new TypeError('x is not a function'))),
  wait: answer(z.object({}), async (_request, gone) => {
    await once(gone, 'abort');
    left.resolve();
  }),
});
after(async () => {
  await server.close();
  await sshd.close();
});
const channel = 'user';
const start = startThrough(path, channel);

async function outcome(command: GuestCommand) {
  const [stdout, stderr, end] = await Promise.all([
    text(command.stdout),
    text(command.stderr),
    command.ended,
  ]);
  return { stdout, stderr, end };
}

/** Sends these bytes. @returns the code of the server's error. */
async function answerTo(...frames: readonly Buffer[]): Promise<unknown> {
  const socket = connect(path);
  for (const frame of frames) socket.write(frame);
  const received = new FrameDecoder().decode(Buffer.concat(await socket.toArray()));
  const last = received.at(-1);
  assert.equal(last?.type, frameTypes.error);
  return JSON.parse(last.payload.toString()).code;
}

test('only the owner can use the socket, which replaces the one of a dead supervisor', async () => {
  const { mode } = await stat(path);
  assert.equal(mode & 0o777, 0o600);
});

test('returns the result of a request, or the error that was thrown', async () => {
  assert.equal(await ask(path, { verb: 'add', a: 40, b: 2 }), 42);
  assert.equal(await ask(path, { verb: 'nothing' }), null);
  await assert.rejects(ask(path, { verb: 'refuse' }), {
    name: 'HoldfastError',
    code: 'usage.number',
    exitCode: 2,
    message: 'no',
    why: 'because',
    next: 'do not',
  });
  await assert.rejects(ask(path, { verb: 'refuseLater' }), {
    code: 'supervisor.protocol',
    exitCode: 2,
    message: 'no',
  });
  await assert.rejects(ask(path, { verb: 'break' }), {
    code: 'supervisor.internal',
    message: 'x is not a function',
  });
  await assert.rejects(ask(join(sshd.directory, 'absent'), { verb: 'add' }), { code: 'supervisor.absent' });
});

test('rejects malformed requests', async () => {
  const request = (value: unknown) => encodeFrame(frameTypes.request, encodeJson(value));
  const misunderstood = [
    [request({ version, verb: 'add', a: 1 })],
    [request({ version, verb: 'add', a: 1, b: 'x' })],
    [request({ version: version - 1, verb: 'add', a: 1, b: 2 })],
    [request({ version, verb: 'unknown' })],
    [request({ version, verb: 'toString' })],
    [request({ version, verb: '__proto__' })],
    [request('add')],
    [encodeFrame(frameTypes.request, Buffer.from('{'))],
    [encodeFrame(frameTypes.input, Buffer.from('x'))],
    [request({ version, verb: 'wait' }), request({ version, verb: 'wait' })],
    [request({ version, verb: 'exec', channel: 'other' })],
    [request({ version, verb: 'exec', channel, argv: 'true' })],
    [request({ version, verb: 'exec', channel, terminal: { type: 'a b', columns: 1, rows: 1 } })],
    [request({ version, verb: 'exec', channel, terminal: { type: 'x', columns: -1, rows: 1 } })],
    [Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    [Buffer.from([1, 255, 255, 255, 255])],
  ];
  for (const frames of misunderstood) assert.equal(await answerTo(...frames), 'supervisor.protocol');
  assert.equal(await ask(path, { verb: 'add', a: 1, b: 1 }), 2);
});

test('aborts a handler when its client disconnects', async () => {
  const socket = connect(path);
  socket.write(encodeFrame(frameTypes.request, encodeJson({ version, verb: 'wait' })));
  await once(socket, 'connect');
  await sleep(20);
  socket.destroy();
  await left.promise;
});

test('runs commands through the socket as in the session', async () => {
  const { stdout } = await runToEnd(start, ['sh', '-c', 'cat; echo "$1" >&2', 'sh', "it's"], {
    input: 'input',
  });
  assert.equal(stdout.toString(), 'input');
  const ends = await Promise.all(
    ['exit 3', 'kill -USR1 $$', 'exit 0'].map(async (script) => outcome(await start(['sh', '-c', script]))),
  );
  assert.deepEqual(
    ends.map(({ end }) => end),
    [{ code: 3 }, { signal: 'SIGUSR1' }, { code: 0 }],
  );
  await assert.rejects(start(['x'.repeat(200_000)]), { code: 'guest.command-long', exitCode: 2 });
});

test('passes on a terminal, its size and the login shell', async () => {
  const command = await start(undefined, { type: 'vt100', columns: 91, rows: 17 });
  let seen = '';
  command.stdout.on('data', (chunk: Buffer) => {
    seen += chunk;
  });
  command.stderr.resume();
  command.stdin.write('stty size; echo "$TERM"\n');
  await eventually(() => /17 91\r\n[\s\S]*vt100\r/.test(seen));
  command.resize(33, 44);
  command.stdin.write('stty size; exit 4\n');
  assert.deepEqual(await command.ended, { code: 4 });
  assert.match(seen, /44 33/);
});

test('passes every byte in both directions', async () => {
  const input = Buffer.alloc(5 * MiB + 1, Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)));
  const { stdout } = await runToEnd(start, ['cat'], { input, maximum: input.length });
  assert.ok(stdout.equals(input));
});

test('signals do not wait behind unread input', async () => {
  const command = await start(['sh', '-c', 'trap "exit 6" TERM; echo ready; while :; do sleep 0.05; done']);
  let taken = 0;
  const pour = () => {
    taken += MiB;
    if (taken < 100 * MiB) command.stdin.write(Buffer.alloc(MiB), (error) => !error && pour());
  };
  pour();
  await once(command.stdout, 'data');
  await sleep(100);
  assert.ok(taken < 10 * MiB, `${taken} bytes were taken`);
  command.signal('SIGTERM');
  assert.deepEqual((await outcome(command)).end, { code: 6 });
  assert.ok(command.stdin.destroyed);
});

test('disconnects a client that sends more input than granted, and hangs up its command', async () => {
  const mark = join(sshd.home, 'cut-off');
  const script = `trap "touch ${mark}; exit" HUP; exec 2>/dev/null; echo ready; while :; do sleep 0.05; done`;
  const socket = connect(path);
  socket.write(
    encodeFrame(
      frameTypes.request,
      encodeJson({ version, verb: 'exec', channel, argv: ['sh', '-c', script] }),
    ),
  );
  const decoder = new FrameDecoder();
  for await (const piece of socket as AsyncIterable<Buffer>) {
    const received = decoder.decode(piece);
    if (received.some(({ type }) => type === frameTypes.output)) {
      // grants come at once until the channel's window of 2 MB is full
      for (let sent = 0; sent <= 3 * MiB; sent += inputWindow) {
        socket.write(encodeFrame(frameTypes.input, Buffer.alloc(inputWindow)));
      }
    }
    const refusal = received.find(({ type }) => type === frameTypes.error);
    if (refusal) assert.equal(JSON.parse(refusal.payload.toString()).code, 'supervisor.protocol');
  }
  await eventually(() => existsSync(mark));
});

test('a command waits while its client does not read', async () => {
  const mark = join(sshd.home, 'poured');
  const command = await start(['sh', '-c', `head -c ${10 * MiB} /dev/zero; touch ${mark}`]);
  const other = await runToEnd(start, ['echo', 'others go on']);
  assert.equal(other.stdout.toString(), 'others go on\n');
  await sleep(150);
  assert.ok(!existsSync(mark));
  const { stdout, end } = await outcome(command);
  assert.equal(stdout.length, 10 * MiB);
  assert.deepEqual(end, { code: 0 });
});

test('serves many clients concurrently', async () => {
  const numbers = Array.from({ length: 20 }, (_, index) => String(index));
  const results = await Promise.all(numbers.map((number) => runToEnd(start, ['echo', number])));
  assert.deepEqual(
    results.map(({ stdout }) => stdout.toString().trim()),
    numbers,
  );
});

test('ends the command of a client that disconnects', async () => {
  const mark = join(sshd.home, 'gone');
  const script = `trap "touch ${mark}; exit" HUP; exec 2>/dev/null; echo ready; while :; do sleep 0.05; done`;
  const command = await start(['sh', '-c', script]);
  await once(command.stdout, 'data');
  command.hangUp();
  await eventually(() => existsSync(mark));
  await assert.rejects(command.ended, { code: 'supervisor.lost' });
  assert.equal(await ask(path, { verb: 'add', a: 1, b: 1 }), 2);
});

test('distinguishes a lost guest from a lost supervisor', async () => {
  const lostSession = await openSession(await sshd.connect(), sshd.identity);
  const otherPath = join(sshd.directory, 'other.sock');
  const other = await serve(otherPath, { exec: executeFor(async () => lostSession) });
  const command = await startThrough(otherPath, 'user')(['cat']);
  await lostSession.close();
  await assert.rejects(outcome(command), { code: 'channel.lost' });
  await assert.rejects(startThrough(otherPath, 'user')(['cat']), { code: 'channel.start' });
  await other.close();
  assert.ok(!existsSync(otherPath));

  const none = await serve(otherPath, {
    exec: executeFor(async () => {
      throw failure('machine.not-ready', 'it boots');
    }),
  });
  await assert.rejects(startThrough(otherPath, 'user')(['cat']), {
    code: 'machine.not-ready',
    message: 'it boots',
  });
  await none.close();

  const third = await serve(otherPath, { exec: executeFor(async () => session) });
  const cut = await startThrough(otherPath, 'user')(['cat']);
  await third.close();
  await assert.rejects(outcome(cut), { code: 'supervisor.lost' });
  await assert.rejects(startThrough(otherPath, 'user')(['cat']), { code: 'supervisor.absent' });
});
