import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { run } from '../../src/base/process.ts';
import { until } from '../../src/base/until.ts';
import { isQemuOf } from '../../src/hypervisor/qemu/arguments.ts';
import { runFiles } from '../../src/hypervisor/qemu/run-directory.ts';
import { switchAutostart } from '../../src/lifecycle/autostart.ts';
import { Machine } from '../../src/machine/machine.ts';
import { homeAt, machinePaths, parseMachineName } from '../../src/machine/paths.ts';
import { keyPair } from '../../src/release/keys.ts';
import type { ServiceManager } from '../../src/supervisor/systemd/autostart.ts';
import { unitName } from '../../src/supervisor/systemd/unit.ts';
import { eventually } from '../support/eventually.ts';
import { makeFakeRelease } from '../support/fake-release.ts';
import { checkJsonOutput } from '../support/json-output.ts';
import { processesOfAll } from '../support/processes.ts';

/*
 * The life of a machine's processes, with a real QEMU whose firmware finds nothing to boot: it stays in `booting`, and that
 * is all these tests need. Over TCP, so that no vsock daemon is needed.
 */

const program = resolve(import.meta.dirname, '../../bin/holdfast');
// must not match other machines of this host
const name = parseMachineName(`life-${process.pid}`);
let home: string;
let files: ReturnType<typeof machinePaths>;

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'holdfast-life-'));
  files = machinePaths(homeAt(home), name);
  await makeFakeRelease(join(home, 'build'), await keyPair(homeAt(home).keys, 'release'));
});
after(async () => {
  await holdfast('remove', '--yes');
  await rm(home, { recursive: true });
});

interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function holdfast(...words: string[]): Promise<Answer> {
  const accept = Array.from({ length: 256 }, (_, code) => code);
  const { code, stdout, stderr } = await run(program, [...words, '--machine', name], {
    accept,
    env: { ...process.env, HOLDFAST_HOME: home },
  });
  const answer = { code, stdout: stdout.toString(), stderr };
  await checkJsonOutput(words, answer);
  return answer;
}

/** @throws when the command fails. */
async function json(...words: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await holdfast('--json', ...words);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

async function errorCodes(...words: string[]): Promise<string[]> {
  const { code, stderr } = await holdfast('--json', ...words);
  assert.notEqual(code, 0);
  return JSON.parse(stderr).errors.map((error: { code: string }) => error.code);
}

/** Processes that name the machine's directory: QEMU, its helpers, and supervisors. */
async function processes(what: 'qemu' | 'supervisor' | 'any'): Promise<number[]> {
  const found = await processesOfAll((argv) => {
    const isSupervisor = argv.some((word) => /\/supervisor\/main\.[jt]s$/.test(word)) && argv.at(-1) === name;
    const isQemu = isQemuOf(argv, runFiles(files.run));
    if (what === 'any') return isSupervisor || argv.some((word) => word.includes(files.run));
    return what === 'qemu' ? isQemu : isSupervisor;
  });
  return found.map(({ pid }) => pid);
}

/** The one process; a second supervisor that found the first in charge may still be on its way out. */
async function onlyProcess(what: 'qemu' | 'supervisor'): Promise<number> {
  const pid = await until({ within: 10_000, every: 100 }, async () => {
    const [first, ...more] = await processes(what);
    return more.length === 0 && first;
  });
  return pid ?? assert.fail(`not one process: ${what}`);
}

async function kill(what: 'qemu' | 'supervisor', signal: NodeJS.Signals): Promise<void> {
  const pid = await onlyProcess(what);
  process.kill(pid, signal);
  const isGone = async () => !(await processes(what)).includes(pid);
  await eventually(isGone, { within: 10_000, every: 20, what: `the end of process ${pid}` });
}

/** Creates the machine and starts its processes; the wait for its guest is interrupted, which `start` allows. */
async function deployAndStart(): Promise<void> {
  await deployOff();
  await startProcesses();
}

async function deployOff(): Promise<void> {
  // the guest of a release that boots nothing is never ready; the machine stays
  const child = command('deploy', '--transport', 'tcp');
  await stateBecomes('booting');
  assert.equal((await holdfast('stop', '--force')).code, 0);
  await child.closed;
}

async function startProcesses(): Promise<void> {
  const child = command('start');
  await stateBecomes('booting');
  child.interrupt();
  await child.closed;
}

function command(...words: string[]) {
  const child = spawn(program, [...words, '--machine', name], {
    env: { ...process.env, HOLDFAST_HOME: home },
    stdio: 'ignore',
  });
  return { closed: once(child, 'close'), interrupt: () => child.kill('SIGINT') };
}

async function stateBecomes(state: string): Promise<void> {
  let seen = '';
  const isSo = async () => {
    const { code, stdout } = await holdfast('--json', 'status');
    seen = stdout;
    return code === 0 && JSON.parse(stdout).state === state;
  };
  await eventually(isSo, { within: 30_000, every: 100, what: () => `${state}, but ${seen}` });
}

beforeEach(async () => {
  await holdfast('remove', '--yes');
});

test('the next command replaces a killed supervisor, which finds its machine again', async () => {
  await deployAndStart();
  const qemu = await onlyProcess('qemu');
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const supervisor = await onlyProcess('supervisor');
    await kill('supervisor', signal);
    assert.equal((await json('status')).pid, qemu);
    assert.notEqual(await onlyProcess('supervisor'), supervisor);
  }
  await holdfast('stop', '--force');
  assert.deepEqual(await processes('any'), []);
});

test('concurrent commands without a supervisor start only one', async () => {
  await deployAndStart();
  await kill('supervisor', 'SIGKILL');
  const answers = await Promise.all([json('status'), json('status'), json('list')]);
  // the new supervisor may be asked before it has found the machine
  for (const { state } of answers.slice(0, 2)) assert.match(String(state), /^(starting|booting)$/);
  await stateBecomes('booting');
  await onlyProcess('supervisor');
});

test('a killed QEMU is started again, until it is given up', async () => {
  await deployAndStart();
  for (let count = 0; count < 3; count++) {
    const before = await onlyProcess('qemu');
    process.kill(before, 'SIGKILL');
    const isNew = async () => {
      const [now, ...more] = await processes('qemu');
      if (count === 2) return (await json('status')).state === 'failed';
      return now !== undefined && now !== before && more.length === 0;
    };
    await eventually(isNew, { within: 30_000, every: 100, what: `what follows end ${count}` });
  }
  const { problem } = await json('status');
  // the last one may have ended before it could be used
  assert.match(String(problem), /^QEMU ended unexpectedly|^it could not be started: QEMU/);
  assert.deepEqual(await processes('any'), []);
  await startProcesses();
  await onlyProcess('qemu');
});

test('a killed TPM is named by status, and the machine is started again', async () => {
  await deployAndStart();
  const before = await onlyProcess('qemu');
  const programs = (await json('status')).programs as { program: string; pid?: number }[];
  process.kill(programs.find(({ program }) => program === 'swtpm')?.pid ?? Number.NaN, 'SIGKILL');
  const isNamed = async () => /^swtpm has ended/.test(String((await json('status')).problem));
  await eventually(isNamed, { within: 10_000, every: 100, what: 'the problem in the status' });
  // the firmware does not hear the power button: after half a minute the machine is reset
  const isNew = async () => {
    const { problem, pid } = await json('status');
    return pid !== undefined && pid !== before && problem === undefined;
  };
  await eventually(isNew, { within: 60_000, every: 200, what: 'the next start' });
});

test('status reports a killed QEMU also when its supervisor was killed first', async () => {
  await deployAndStart();
  await kill('supervisor', 'SIGKILL');
  await kill('qemu', 'SIGKILL');
  await stateBecomes('failed');
  await startProcesses();
  await onlyProcess('supervisor');
});

test('commands are idempotent', async () => {
  assert.deepEqual(await json('remove', '--yes'), { machine: name, changed: false });
  await deployOff();
  assert.deepEqual(await json('stop'), { machine: name, state: 'stopped', changed: false });
  await startProcesses();
  const qemu = await onlyProcess('qemu');
  await startProcesses();
  assert.equal(await onlyProcess('qemu'), qemu);
});

test('remove leaves nothing of a running machine', async () => {
  await deployAndStart();
  assert.deepEqual(await json('remove', '--yes'), { machine: name, changed: true });
  assert.deepEqual(await processes('any'), []);
  assert.deepEqual(readdirSync(join(home, 'machines')), []);
  assert.deepEqual(readdirSync(join(home, 'releases')), ['.lock']);
  assert.deepEqual(await errorCodes('status'), ['machine.none']);
});

test('remove works without the supervisor and with a damaged configuration', async () => {
  await deployAndStart();
  await kill('supervisor', 'SIGKILL');
  await writeFile(files.configuration, '{');
  assert.deepEqual(await errorCodes('list'), ['machine.damaged']);
  assert.deepEqual(await json('remove', '--yes'), { machine: name, changed: true });
  assert.deepEqual(await processes('any'), []);
});

test('Ctrl-C while the new machine boots leaves nothing behind', async () => {
  const child = command('deploy', '--transport', 'tcp');
  await stateBecomes('booting');
  child.interrupt();
  const [code] = await child.closed;
  assert.equal(code, 130);
  assert.deepEqual(await processes('any'), []);
  assert.deepEqual(readdirSync(join(home, 'machines')), []);
});

test('set changes only the named settings, while the machine is off', async () => {
  await deployOff();
  const before = JSON.parse(readFileSync(files.configuration, 'utf8'));
  assert.equal((await json('set', '--memory', '1026MB', '--data-size', '11GB')).changed, true);
  assert.equal((await json('set', '--memory', '1026MB', '--data-size', '11GB')).changed, false);
  const expected = { ...before, memory: 1026 * 1024 ** 2, dataSize: 11 * 1024 ** 3 };
  assert.deepEqual(JSON.parse(readFileSync(files.configuration, 'utf8')), expected);
  assert.deepEqual(await errorCodes('set', '--data-size', '10GB'), ['disk.shrink']);
  assert.deepEqual(await errorCodes('set', '--cpus', '0', '--memory', '1025MB'), [
    'limit.cpus',
    'limit.memory',
  ]);
  assert.deepEqual(await errorCodes('set'), ['set.nothing']);
  await startProcesses();
  assert.deepEqual(await errorCodes('set', '--memory', '1024MB'), ['machine.running']);
  assert.deepEqual(await errorCodes('update', 'check'), ['usage'], 'no repository is set');
  assert.equal((await json('set', '--repository', `${home}/keys/..`)).repository, home);
  assert.equal((await json('set', '--repository', home)).changed, false);
  assert.deepEqual(await errorCodes('set', '--repository', join(home, 'none')), ['repository.source']);
  assert.deepEqual(await errorCodes('set', '--repository', home, '--forget-repository'), ['usage']);
  assert.equal(JSON.parse(readFileSync(files.configuration, 'utf8')).repository, home);
  assert.equal((await json('set', '--forget-repository')).changed, true);
  assert.deepEqual(JSON.parse(readFileSync(files.configuration, 'utf8')), expected);
});

test('logs --archive works for a silent machine and for a stopped one, and includes no secret', async () => {
  await deployAndStart();
  const archive = join(home, 'logs.tar.gz');
  await json('logs', '--archive', archive);
  const unpack = ['--extract', '--to-stdout', '--file', archive];
  const all = (await run('tar', unpack)).stdout.toString();
  assert.match(all, /supervisor \d+ \(start\)/);
  assert.match(all, /"kernel"/);
  assert.match(all, /"verdict"/);
  assert.match(all, /^journal\.txt: failed: the machine is booting$/m);
  assert.match(all, /"transport": "tcp"/);
  const secrets = readdirSync(files.secrets).map((file) => readFileSync(join(files.secrets, file), 'utf8'));
  assert.ok(
    secrets.some((secret) => secret.includes('PRIVATE KEY')),
    'the search finds what it looks for',
  );
  assert.doesNotMatch(all, /PRIVATE KEY/);
  for (const secret of secrets.flatMap((text) => text.split('\n')).filter((line) => line.length > 30))
    assert.ok(!all.includes(secret), 'a line of a secret is in the archive');
  await holdfast('stop', '--force');
  await json('logs', '--archive', archive);
  assert.match(
    (await run('tar', unpack)).stdout.toString(),
    /^journal\.txt: failed: the machine is stopped$/m,
  );
  assert.deepEqual(await errorCodes('logs'), ['machine.off']);
});

test('without QEMU start reports that, and the machine is off', async () => {
  await deployOff();
  // a private mount of an empty file over QEMU: a host without it, for this command alone
  const hide = 'mount --bind /dev/null "$(command -v qemu-system-x86_64)" && exec "$@"';
  const wrapped = [
    ...(process.getuid?.() === 0 ? [] : ['--map-root-user']), // root keeps the users of machines
    '--mount',
    'sh',
    '-c',
    hide,
    'sh',
    program,
    '--json',
    'start',
    '--machine',
    name,
  ];
  const { stderr } = await run('unshare', wrapped, {
    accept: [1],
    env: { ...process.env, HOLDFAST_HOME: home },
  });
  assert.match(JSON.parse(stderr).errors[0].message, /qemu-system-x86_64/);
  assert.equal((await json('status')).state, 'stopped');
});

test('a running machine keeps running when systemd takes over its supervisor, and when it no longer does', async () => {
  await deployAndStart();
  const qemu = await onlyProcess('qemu');
  const own = await onlyProcess('supervisor');
  const commands: string[] = [];
  const unitDirectory = await mkdtemp(join(home, 'units-'));
  /** Replaces systemd: its `start` runs the command of the unit. */
  const systemd: ServiceManager = {
    scope: 'system',
    unitDirectory,
    runtime: undefined,
    isRunning: async () => true,
    isLingering: async () => true,
    systemctl: async (...words) => {
      commands.push(words.join(' '));
      if (words[0] !== 'start') return;
      const text = readFileSync(join(unitDirectory, unitName(name)), 'utf8');
      const [node = '', ...args] = [
        ...(/^ExecStart=(.*)$/m.exec(text)?.[1] ?? '').matchAll(/"([^"]*)"/g),
      ].map(([, word = '']) => word);
      const env = { ...process.env, HOLDFAST_HOME: home };
      spawn(node, args, { env, detached: true, stdio: 'ignore' }).unref();
    },
  };
  const machine = new Machine(homeAt(home), name);
  assert.equal(await switchAutostart(machine, true, systemd), true);
  assert.equal(commands.at(-1), `start ${unitName(name)}`);
  assert.equal(await onlyProcess('qemu'), qemu);
  const systemds = await onlyProcess('supervisor');
  assert.notEqual(systemds, own);
  assert.equal(await switchAutostart(machine, true, systemd), false);
  assert.equal(await onlyProcess('supervisor'), systemds);

  assert.equal(await switchAutostart(machine, false, systemd), true);
  assert.equal(commands.at(-1), 'daemon-reload');
  assert.equal(await onlyProcess('qemu'), qemu);
  assert.notEqual(await onlyProcess('supervisor'), systemds);
});

test('autostart reports that it needs systemd', { skip: existsSync('/run/systemd/system') }, async () => {
  await deployOff();
  assert.deepEqual(await errorCodes('autostart', 'enable'), ['autostart.systemd']);
  assert.equal((await json('autostart', 'disable')).changed, false);
  assert.equal((await holdfast('autostart', 'maybe')).code, 2);
});
