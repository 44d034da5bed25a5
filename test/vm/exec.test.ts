import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { before, test } from 'node:test';
import { run, start } from '../../src/base/process.ts';
import { eventually } from '../support/eventually.ts';
import { inGuest } from '../support/vm/guest.ts';
import { environment, holdfast, program, sharedMachine, sharedName } from '../support/vm/machine.ts';

/*
 * Commands in the guest behave as if they ran here.
 */

before(async () => {
  await sharedMachine();
});

test('separates output, error output and exit code', async () => {
  const { code, stdout, stderr } = await holdfast([
    'exec',
    '--',
    'sh',
    '-c',
    'echo out; echo err >&2; exit 7',
  ]);
  assert.deepEqual({ code, stdout, stderr }, { code: 7, stdout: 'out\n', stderr: 'err\n' });
});

test('passes words on unchanged', async () => {
  const words = [
    'a b',
    "it's",
    '"quoted"',
    '$HOME',
    '`id`',
    '',
    '*',
    'two\nlines',
    '\\',
    '-n',
    '--',
    'ä€😀',
    ';',
    '#',
  ];
  const output = await inGuest(sharedName, ['printf', '%s\\0', ...words]);
  assert.deepEqual(output.split('\0').slice(0, -1), words);
});

test('passes a megabyte of arbitrary bytes in and out unchanged', async () => {
  const bytes = randomBytes(2 ** 20);
  const { stdout } = await run(program, ['exec', '--', 'cat'], { env: environment, input: bytes });
  assert.ok(stdout.equals(bytes));
});

test('input that the command does not read blocks nothing', async () => {
  const input = Buffer.alloc(8 * 2 ** 20);
  assert.equal((await holdfast(['exec', '--', 'head', '-c', '3'], { input })).stdout, '\0\0\0');
});

test('a closed output ends the command in the guest', async () => {
  const reader = start('sh', ['-c', '"$0" exec -- yes holdfast-reader | head -n 1', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environment,
  });
  const chunks: Buffer[] = [];
  reader.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  assert.deepEqual(await once(reader, 'close'), [0, null]);
  assert.equal(Buffer.concat(chunks).toString(), 'holdfast-reader\n');
  await endsInGuest('holdfast-reader');
});

test('unknown, forbidden and killed commands have the exit codes of a shell', async () => {
  const cases = [
    [['no-such-command'], 127],
    [['/etc/passwd'], 126],
    [['sh', '-c', 'kill -KILL $$'], 137],
    [['sh', '-c', 'kill -TERM $$'], 143],
    [['sh', '-c', 'exit 255'], 255],
  ] as const;
  const codes = await Promise.all(
    cases.map(async ([words]) => (await holdfast(['exec', '--', ...words])).code),
  );
  assert.deepEqual(
    codes,
    cases.map(([, code]) => code),
  );
});

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`passes ${signal} to the command in the guest, which may handle it`, async () => {
    const stubborn = [
      'sh',
      '-c',
      `trap 'echo caught; exit 5' ${signal.slice(3)}; echo ready; while :; do sleep 0.1; done`,
    ];
    assert.deepEqual(await interrupt(stubborn, signal), { output: 'ready\ncaught\n', code: 5 });
    const plain = ['sh', '-c', 'echo ready; exec sleep 97531'];
    assert.deepEqual(await interrupt(plain, signal), { output: 'ready\n', code });
    await endsInGuest('sleep 97531');
  });
}

test('a killed client ends its command in the guest', async () => {
  assert.deepEqual(await interrupt(['sh', '-c', 'echo ready; exec sleep 86420'], 'SIGKILL'), {
    output: 'ready\n',
    code: null,
  });
  await endsInGuest('sleep 86420');
});

test('gives the command a terminal of the same size, where Ctrl-C interrupts it', async () => {
  const command = '[ -t 0 ] && [ -t 1 ] && stty size && echo ready && sleep 75319';
  const { output, code } = await onTerminal(['exec', '--', 'sh', '-c', command], [[/ready/, '\x03']]);
  assert.match(output, /^33 101\r?$/m);
  assert.equal(code, 130);
  await endsInGuest('sleep 75319');
});

test('shell runs a login shell of the user, and passes on its exit code', async () => {
  const { output, code } = await onTerminal(
    ['shell'],
    [[/\$ /, 'echo "$(id -un) $0 $(stty size)"; clear && echo "clear $TERM"; exit 3\r']],
  );
  assert.match(output, /^holdfast -bash 33 101\r?$/m);
  assert.match(output, /clear xterm-256color\r?$/m, 'the guest does not know the terminal');
  assert.equal(code, 3);
});

test('gives the command no terminal without one, and with --json', async () => {
  assert.equal((await holdfast(['exec', '--', 'tty'])).stdout, 'not a tty\n');
  const bytes = randomBytes(100);
  const { code, stdout } = await holdfast(['--json', 'exec', '--', 'sh', '-c', 'cat; exit 9'], {
    input: bytes,
  });
  assert.equal(code, 9);
  const answer = JSON.parse(stdout);
  assert.equal(answer.exitCode, 9);
  assert.ok(Buffer.from(answer.stdout, answer.encoding).equals(bytes));
});

test('runs many commands at once, each with its own streams', async () => {
  const inputs = Array.from({ length: 12 }, () => randomBytes(10_000));
  const digests = await Promise.all(
    inputs.map(async (input) => (await holdfast(['exec', '--', 'sha256sum'], { input })).stdout.slice(0, 64)),
  );
  assert.deepEqual(
    digests,
    inputs.map((input) => createHash('sha256').update(input).digest('hex')),
  );
});

/** Sends a signal to `holdfast exec` once its command has printed a line; answers how that ended. */
async function interrupt(
  words: readonly string[],
  signal: NodeJS.Signals,
): Promise<{ output: string; code: number | null }> {
  const child = start(program, ['exec', '--', ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environment,
  });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    if (output === '') child.kill(signal);
    output += chunk;
  });
  const [code] = await once(child, 'close');
  return { output, code };
}

/** Runs `holdfast` on a terminal of 33 rows and 101 columns. Each answer is typed when its prompt shows. */
async function onTerminal(
  words: readonly string[],
  dialogue: readonly (readonly [prompt: RegExp, answer: string])[],
): Promise<{ output: string; code: number }> {
  const quoted = [program, ...words].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const command = `stty rows 33 cols 101; exec ${quoted}`;
  const child = start('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...environment, TERM: 'xterm-kitty', SHELL: '/bin/sh' },
  });
  const open = [...dialogue];
  let output = '';
  let seen = 0;
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
    const [next] = open;
    if (!next?.[0].test(output.slice(seen))) return;
    seen = output.length;
    open.shift();
    child.stdin?.write(next[1]);
  });
  const [code] = await once(child, 'close');
  return { output, code };
}

/** No process of the guest has this in its command line any more, or not for long. */
async function endsInGuest(text: string): Promise<void> {
  // the brackets keep the search from finding itself
  const pattern = `[${text[0]}]${text.slice(1)}`;
  let found = '';
  const isGone = async () => {
    const { code, stdout } = await holdfast(['exec', '--', 'pgrep', '--full', '--list-full', pattern]);
    found = stdout;
    return code === 1;
  };
  await eventually(isGone, { within: 30_000, every: 250, what: () => `the end of ${found}` });
}
