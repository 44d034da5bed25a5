import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { after, mock, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import ssh2 from 'ssh2';
import type { GuestCommand } from '../../src/channel/guest.ts';
import { makeChannelKeys, readIdentity } from '../../src/channel/keys.ts';
import { openSession } from '../../src/channel/ssh.ts';
import { eventually } from '../support/eventually.ts';
import { startSshServer } from '../support/ssh-server.ts';

const MiB = 1024 * 1024;
// constant key re-exchange, so that every stream goes through it
const server = await startSshServer(['RekeyLimit 4M']);
after(() => server.close());
const session = await openSession(await server.connect(), server.identity);
// the server's directory belongs to its user, and keys are kept nowhere that others may write
const keys = await mkdtemp(join(tmpdir(), 'holdfast-keys-'));
after(() => rm(keys, { recursive: true }));

async function outcome(command: GuestCommand) {
  const [stdout, stderr, end] = await Promise.all([
    command.stdout.toArray(),
    command.stderr.toArray(),
    command.ended,
  ]);
  return { stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString(), end };
}

/** Creates both ends of a connection in memory. */
function duplexPair(): [Duplex, Duplex] {
  const make = (other: () => Duplex) =>
    new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        other().push(chunk);
        setImmediate(done);
      },
      final(done) {
        other().push(null);
        done();
      },
    });
  const one: Duplex = make(() => two);
  const two: Duplex = make(() => one);
  return [one, two];
}

test('returns standard output, standard error and the exit code', async () => {
  const command = await session.start(['sh', '-c', 'echo out; echo err >&2; exit 42']);
  assert.deepEqual(await outcome(command), { stdout: 'out\n', stderr: 'err\n', end: { code: 42 } });
});

test('passes words unchanged, without interpretation by the shell', async () => {
  const words = [
    '',
    ' ',
    'a b',
    "it's",
    '"',
    '$HOME',
    '`id`',
    '*',
    '~',
    'ä\n\t\\',
    '-n',
    ';',
    '#',
    '!',
    'a=b',
    '{a,b}',
  ];
  const { stdout } = await session.run(['printf', '%s\\0', ...words]);
  assert.deepEqual(stdout.toString().split('\0').slice(0, -1), words);
  for (const word of ['a=b', 'if', 'cd']) {
    await assert.rejects(session.run([word, 'x']), { code: 'guest.command', message: /exit code 127/ });
  }
});

test('passes every byte in both directions during key re-exchange', async () => {
  const input = randomBytes(9 * MiB);
  const { stdout } = await session.run(['cat'], { input, maximum: input.length });
  assert.ok(stdout.equals(input));
});

test('accepts input that ends after the command has', async () => {
  const command = await session.start(['true']);
  const errors: unknown[] = [];
  command.stdin.on('error', (error) => errors.push(error));
  await sleep(200); // ended, but its output is not read yet
  command.stdin.end();
  command.stdout.resume();
  command.stderr.resume();
  assert.deepEqual(await command.ended, { code: 0 });
  assert.deepEqual(errors, []);
});

test('computes the input from the first output of the command', async () => {
  const script = `printf 'a\\nb'; sleep 0.1; printf 'c\\0d'; tr a-z A-Z`;
  const asked: string[] = [];
  const input = (printed: Buffer) => {
    asked.push(printed.toString());
    return `answer\0${printed}`;
  };
  const { stdout } = await session.run(['sh', '-c', script], { input });
  assert.deepEqual(asked, ['a\nbc']);
  assert.equal(stdout.toString(), 'a\nbc\0dANSWER\0A\nBC');

  await assert.rejects(session.run(['sh', '-c', 'printf end; exit 3'], { input }), { code: 'guest.command' });
  assert.equal(asked.length, 1, 'who does not ask is not answered');

  const none = new Error('no answer');
  const mark = join(server.directory, 'mark');
  const refuse = () => {
    throw none;
  };
  await assert.rejects(
    session.run(['sh', '-c', `trap '' HUP; printf '\\0'; [ -z "$(cat)" ]; echo ended >${mark}`], {
      input: refuse,
    }),
    none,
  );
  await eventually(() => existsSync(mark));
});

test('delivers signals, also after the end of the input, and reports the signal that ended a command', async () => {
  const trapping = await session.start([
    'sh',
    '-c',
    'trap "echo got; exit 3" INT; echo ready; while :; do sleep 0.05; done',
  ]);
  trapping.stdin.end();
  trapping.stdout.once('data', () => trapping.signal('SIGINT'));
  assert.deepEqual((await outcome(trapping)).end, { code: 3 });
  const sleeping = await session.start(['sh', '-c', 'echo ready; exec sleep 60']);
  sleeping.stdin.end();
  sleeping.stdout.once('data', () => sleeping.signal('SIGTERM')); // earlier, sshd itself may miss it
  assert.deepEqual((await outcome(sleeping)).end, { signal: 'SIGTERM' });
  sleeping.signal('SIGTERM'); // too late: no effect
  sleeping.resize(1, 1);
});

test('sets and updates the size of a terminal', async () => {
  const script = 'tty >/dev/null && stty size && echo $TERM; read _; stty size';
  const command = await session.start(['sh', '-c', script], { type: 'vt220', columns: 101, rows: 33 });
  command.stderr.resume();
  const seen = { text: '' };
  command.stdout.on('data', (chunk: Buffer) => {
    seen.text += chunk;
  });
  await eventually(() => seen.text.includes('vt220'));
  command.resize(77, 22);
  command.stdin.write('\n');
  const end = await command.ended;
  assert.deepEqual(seen.text.split(/\s+/).filter(Boolean), ['33', '101', 'vt220', '22', '77']);
  assert.deepEqual(end, { code: 0 });
});

test('starts the login shell without a command', async () => {
  const command = await session.start(undefined);
  command.stdin.end('echo "$0"; exit 5\n');
  const { stdout, end } = await outcome(command);
  assert.match(stdout, /sh\n$/);
  assert.deepEqual(end, { code: 5 });
});

test('a command that closes its output continues', async () => {
  const command = await session.start(['sh', '-c', 'exec >&- 2>&-; read line; exit $line']);
  assert.deepEqual(await command.stdout.toArray(), []);
  command.stdin.write('9\n');
  command.stderr.resume();
  assert.deepEqual(await command.ended, { code: 9 });
});

test('holds back input that the command does not read, and drops it when the command ends', async () => {
  const command = await session.start(['sleep', '0.3']);
  let written = 0;
  const pour = () => {
    written += MiB;
    if (written < 100 * MiB) command.stdin.write(Buffer.alloc(MiB), (error) => !error && pour());
  };
  pour();
  assert.deepEqual((await outcome(command)).end, { code: 0 });
  assert.ok(written < 10 * MiB, `${written} bytes were taken`);
  assert.ok(command.stdin.destroyed);
});

test('a command waits while its output is not read', async () => {
  const mark = join(server.home, 'written');
  const command = await session.start(['sh', '-c', `head -c ${8 * MiB} /dev/zero; touch ${mark}`]);
  await sleep(200);
  assert.ok(!existsSync(mark));
  const { stdout, end } = await outcome(command);
  assert.equal(stdout.length, 8 * MiB);
  assert.deepEqual(end, { code: 0 });
});

test('one output waits while the other is read, with bounded memory', async () => {
  const mark = join(server.home, 'poured');
  const script = `while :; do echo chat >&2; done & head -c ${12 * MiB} /dev/zero; touch ${mark}; kill $!`;
  const command = await session.start(['sh', '-c', script]);
  command.stderr.resume();
  await sleep(300);
  assert.ok(!existsSync(mark));
  assert.equal(Buffer.concat(await command.stdout.toArray()).length, 12 * MiB);
  assert.deepEqual(await command.ended, { code: 0 });
});

test('runs many commands concurrently over one connection', async () => {
  const numbers = Array.from({ length: 30 }, (_, index) => String(index));
  const results = await Promise.all(numbers.map((number) => session.run(['echo', number])));
  assert.deepEqual(
    results.map(({ stdout }) => stdout.toString().trim()),
    numbers,
  );
  assert.equal(server.connections(), 1);
});

test('hanging up ends the command and its streams', async () => {
  const mark = join(server.home, 'hung-up');
  // standard error is closed before the shell reports there that its child was hung up
  const script = `trap "touch ${mark}; exit" HUP; exec 2>/dev/null; echo ready; while :; do sleep 0.05; done`;
  const command = await session.start(['sh', '-c', script]);
  command.stdout.once('data', () => command.hangUp());
  await eventually(() => existsSync(mark));
  command.hangUp();
});

test('ignores a signal after the end of the command', async () => {
  const command = await session.start(['echo', 'unread']);
  await sleep(50); // it has ended, its output is pending
  command.signal('SIGTERM');
  command.resize(1, 1);
  command.hangUp();
  await assert.rejects(command.ended, { code: 'channel.lost' });
  await session.run(['true']);
});

test('run reports failures with the standard error of the command, and enforces the time limit', async () => {
  await assert.rejects(session.run(['sh', '-c', 'echo "no space" >&2; exit 1']), {
    code: 'guest.command',
    message: 'sh in the guest failed (exit code 1)',
    why: 'no space',
  });
  assert.equal((await session.run(['sh', '-c', 'exit 4'], { accept: [0, 4] })).code, 4);
  await assert.rejects(session.run(['sh', '-c', 'kill -KILL $$']), {
    message: 'sh in the guest failed (SIGKILL)',
  });
  await assert.rejects(session.run(['sleep', '60'], { timeoutMs: 100 }), { code: 'guest.timeout' });
  const reason = new Error('interrupted');
  await assert.rejects(session.run(['sleep', '60'], { signal: AbortSignal.abort(reason) }), reason);
});

test('rejects invalid commands before sending them', async () => {
  await assert.rejects(session.run([]), { code: 'guest.command-malformed', exitCode: 2 });
  await assert.rejects(session.run(['echo', 'a\0b']), { code: 'guest.command-malformed' });
  await assert.rejects(session.run(['echo', 'x'.repeat(140_000)]), { code: 'guest.command-long' });
  const long = 'x'.repeat(120_000);
  assert.equal((await session.run(['echo', long])).stdout.length, long.length + 1);
});

test('sends no credentials to a server with another host key', async () => {
  const other = join(keys, 'other');
  await makeChannelKeys(other);
  const { hostKey } = await readIdentity(other, 'holdfast');
  const before = (await server.log()).length;
  await assert.rejects(openSession(await server.connect(), { ...server.identity, hostKey }), {
    code: 'channel.host-key',
    exitCode: 1,
  });
  await eventually(() => server.connections() === 1);
  assert.doesNotMatch((await server.log()).slice(before), /publickey|Accepted/);
});

test('offers one key and tries no other authentication', async () => {
  const other = join(keys, 'stranger');
  await makeChannelKeys(other);
  const { privateKey } = await readIdentity(other, 'holdfast');
  const before = (await server.log()).length;
  await assert.rejects(openSession(await server.connect(), { ...server.identity, privateKey }), {
    code: 'channel.identity',
  });
  await eventually(() => server.connections() === 1);
  const said = (await server.log()).slice(before);
  assert.equal(said.match(/Failed publickey/g)?.length, 1);
  assert.doesNotMatch(said, /Failed (none|password|keyboard)/);
  await assert.rejects(openSession(await server.connect(), { ...server.identity, privateKey: 'nonsense' }), {
    code: 'channel.key',
  });
});

test('reports servers that do not use SSH or do not respond', async () => {
  for (const nonsense of [
    'HTTP/1.1 400 Bad Request\r\n\r\n',
    '\0'.repeat(100_000),
    'SSH-2.0-x\r\n\xff\xff\xff\xff\xff',
  ]) {
    const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    stream.push(Buffer.from(nonsense, 'latin1'));
    setTimeout(() => stream.push(null), 20);
    await assert.rejects(
      openSession(stream, server.identity),
      { code: 'channel.handshake' },
      nonsense.slice(0, 9),
    );
  }
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const silent = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    const opening = openSession(silent, server.identity);
    mock.timers.tick(60_000);
    await assert.rejects(opening, { code: 'channel.timeout' });
    assert.ok(silent.destroyed);
  } finally {
    mock.timers.reset();
  }
});

test('disconnects a guest that sends more than the window allows', async () => {
  const { privateKey } = await readIdentity(join(server.directory, 'secrets'), 'x');
  const hostile = new ssh2.Server({ hostKeys: [privateKey] }, (client) => {
    client.on('authentication', (attempt) => attempt.accept());
    client.on('session', (accept) =>
      accept().on('exec', (acceptExec) => {
        const channel = acceptExec() as unknown as {
          outgoing: { window: number };
          write(data: Buffer): void;
        };
        channel.outgoing.window = 2 ** 31; // ignore the window of the host
        // an odd size: when packets fill the window exactly, ssh2 drops all that follow
        for (let sent = 0; sent < 32; sent++) channel.write(Buffer.alloc(1_000_003));
      }),
    );
  });
  const parsed = ssh2.utils.parseKey(privateKey);
  assert.ok(!(parsed instanceof Error) && !Array.isArray(parsed));
  const hostKey = `ssh-ed25519 ${parsed.getPublicSSH().toString('base64')}`;
  const [ours, theirs] = duplexPair();
  hostile.injectSocket(theirs as never);
  const dropped = await openSession(ours, { ...server.identity, hostKey });
  const command = await dropped.start(['anything']);
  await dropped.ended;
  command.stdout.resume();
  command.stderr.resume();
  await assert.rejects(command.ended, { code: 'channel.lost' });
  theirs.destroy();
});

test('a lost guest fails all pending operations', async () => {
  const lost = await openSession(await server.connect(), server.identity);
  const command = await lost.start(['cat']);
  const waiting = assert.rejects(outcome(command), { code: 'channel.lost' });
  server.kill();
  await waiting;
  await lost.ended;
  await assert.rejects(lost.run(['true']), { code: 'channel.start' });
  await lost.close();
});

test('closing a session closes its connection', async () => {
  const closing = await openSession(await server.connect(), server.identity);
  await closing.run(['true']);
  await closing.close();
  await closing.close();
  await eventually(() => server.connections() === 0);
});
