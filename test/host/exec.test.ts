import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { openSession } from '../../src/channel/ssh.ts';
import { homeAt, machinePaths, parseMachineName } from '../../src/machine/paths.ts';
import { executeFor } from '../../src/supervisor/exec.ts';
import { serve } from '../../src/supervisor/protocol/server.ts';
import { startSshServer } from '../support/ssh-server.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');
const sshd = await startSshServer();
let session = await openSession(await sshd.connect(), sshd.identity);
const home = join(sshd.directory, 'holdfast');
const { supervisorSocket } = machinePaths(homeAt(home), parseMachineName('default'));
await mkdir(dirname(supervisorSocket), { recursive: true });
const supervisor = await serve(supervisorSocket, { exec: executeFor(async () => session) });
after(async () => {
  await supervisor.close();
  await session.close();
  await sshd.close();
});

const env = {
  ...process.env,
  HOLDFAST_HOME: home,
  NODE_COMPILE_CACHE: join(sshd.directory, 'compiled'),
  TERM: 'vt220',
};

function holdfast(...words: readonly string[]) {
  return spawn(process.execPath, [main, ...words], { env, stdio: 'pipe' });
}

async function outcome(child: ChildProcess, input: string | Uint8Array = '') {
  child.stdin?.on('error', () => {}).end(input);
  const closed = once(child, 'close');
  const [stdout, stderr] = await Promise.all([
    child.stdout ? buffer(child.stdout) : Buffer.alloc(0),
    child.stderr ? text(child.stderr) : '',
  ]);
  const [code, signal] = (await closed) as [number | null, string | null];
  return { code, signal, stdout, stderr };
}

test('--no-stdin leaves the rest of a script to the shell that reads it', async () => {
  const shell = spawn('sh', [], { env: { ...env, holdfast: `${process.execPath} ${main}` }, stdio: 'pipe' });
  const script = '$holdfast exec --no-stdin -- cat\n$holdfast --json exec --no-stdin -- cat\necho last\n';
  const { stdout } = await outcome(shell, script);
  assert.match(stdout.toString(), /^\{"exitCode":0,.*\}\nlast\n$/);
});

test('exec passes on streams, words and the exit code', async () => {
  const input = randomBytes(2_000_000);
  const [copied, told, killed, words] = await Promise.all([
    outcome(holdfast('exec', '--', 'cat'), input),
    outcome(holdfast('exec', 'sh', '-c', 'echo out; echo err >&2; exit 42')),
    outcome(holdfast('exec', '--', 'sh', '-c', 'kill -KILL $$')),
    outcome(holdfast('exec', 'printf', '%s|', '--json', '-x', '', "it's $HOME")),
  ]);
  assert.ok(copied.stdout.equals(input));
  assert.equal(copied.code, 0);
  assert.deepEqual([told.code, told.stdout.toString(), told.stderr], [42, 'out\n', 'err\n']);
  assert.equal(killed.code, 137);
  assert.equal(words.stdout.toString(), "--json|-x||it's $HOME|");
});

test('exec passes signals to the command and ends as it does', async () => {
  for (const [signal, code] of [
    ['SIGINT', 7],
    ['SIGTERM', 8],
    ['SIGHUP', 9],
  ] as const) {
    const traps = 'trap "exit 7" INT; trap "exit 8" TERM; trap "exit 9" HUP';
    const child = holdfast('exec', '--', 'sh', '-c', `${traps}; echo ready; while :; do sleep 0.05; done`);
    child.stdout.once('data', () => child.kill(signal));
    assert.equal((await outcome(child)).code, code);
  }
});

test('exec ends silently as by SIGPIPE when its output is closed', async () => {
  const child = holdfast('exec', '--', 'yes');
  child.stdout.once('data', () => child.stdout.destroy());
  const [code] = await once(child, 'close');
  assert.equal(code, 141);
  assert.equal(await text(child.stderr), '');
});

test('--json prints exit code and outputs as one object', async () => {
  const [plain, binary, signalled] = await Promise.all([
    outcome(holdfast('--json', 'exec', '--', 'sh', '-c', 'cat; echo ä >&2; exit 3'), 'in\n'),
    outcome(holdfast('exec', '--json', 'printf', '\\377')),
    outcome(holdfast('exec', '--json', 'sh', '-c', 'kill -TERM $$')),
  ]);
  assert.deepEqual(JSON.parse(plain.stdout.toString()), {
    exitCode: 3,
    encoding: 'utf8',
    stdout: 'in\n',
    stderr: 'ä\n',
  });
  assert.equal(plain.code, 3);
  assert.deepEqual(JSON.parse(binary.stdout.toString()), {
    exitCode: 0,
    encoding: 'base64',
    stdout: '/w==',
    stderr: '',
  });
  assert.equal(JSON.parse(signalled.stdout.toString()).signal, 'SIGTERM');
  assert.equal(signalled.code, 143);
});

test('shell reads commands from a pipe', async () => {
  const { code, stdout } = await outcome(holdfast('shell'), 'echo "hello from $0"; exit 5\n');
  assert.match(stdout.toString(), /^hello from .*sh\n$/);
  assert.equal(code, 5);
});

test('allocates a terminal in the guest for one on the host, whose settings are restored', async () => {
  const log = join(sshd.directory, 'typescript');
  const quoted = [process.execPath, main, 'exec', '--', 'sh', '-c'].map((word) => `'${word}'`).join(' ');
  const inGuest = 'tty; echo $TERM; stty -opost; printf "a\\nb"; read line; echo "got $line"';
  const script = `stty -g; ${quoted} '${inGuest}'; echo "code $?"; stty -g`;
  const child = spawn('script', ['--quiet', '--flush', '--command', script, log], { env, stdio: 'pipe' });
  child.stdout.on('data', (chunk: Buffer) => {
    if (chunk.includes('a\nb')) child.stdin.write('typed\r');
  });
  await once(child, 'close');
  const shown = await readFile(log, 'latin1');
  assert.match(shown, /\/dev\/pts\/\d+\r\nvt220\r\na\nb/);
  assert.match(shown, /got typed\n/);
  assert.match(shown, /code 0\r\n/);
  const modes = shown.match(/^[0-9a-f:]{20,}\r?$/gm);
  assert.equal(modes?.length, 2);
  assert.equal(modes[0], modes[1]);
});

test('reports wrong usage, a missing machine, and a copy between the same sides', async () => {
  await writeFile(join(sshd.directory, 'file'), 'x');
  const [none, missing, sides, hosts] = await Promise.all([
    outcome(holdfast('exec')),
    outcome(holdfast('--machine', 'other', 'exec', 'true')),
    outcome(holdfast('copy', ':a', ':b')),
    outcome(holdfast('copy', 'a', 'b')),
  ]);
  assert.equal(none.code, 2);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /there is no machine 'other'/);
  for (const { code, stderr } of [sides, hosts]) {
    assert.equal(code, 2);
    assert.match(stderr, /error: both SRC and DST are (in the guest|on this host)\n/);
  }
});

test('copies through the supervisor', async () => {
  const file = join(sshd.directory, 'file');
  await writeFile(file, 'content');
  assert.equal((await outcome(holdfast('copy', file, ':there'))).code, 0);
  assert.equal(await readFile(join(sshd.home, 'there'), 'utf8'), 'content');
  const { code, stdout } = await outcome(holdfast('--json', 'copy', ':there', `${file}-2`));
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout.toString()).source, { side: 'guest', path: 'there' });
  assert.equal(await readFile(`${file}-2`, 'utf8'), 'content');
});

test('exits with 255 when the guest is lost, as ssh does', async () => {
  const child = holdfast('exec', '--', 'sh', '-c', 'echo ready; sleep 60');
  child.stdout.once('data', () => sshd.kill());
  const { code, stderr } = await outcome(child);
  assert.equal(code, 255);
  assert.match(stderr, /the connection to the guest was lost/);
  session = await openSession(await sshd.connect(), sshd.identity);
});
