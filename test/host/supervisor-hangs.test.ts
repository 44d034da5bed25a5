import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseMachineName } from '../../src/machine/paths.ts';
import { writeMachineRecord } from '../support/machine-record.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');
const home = await mkdtemp(join(tmpdir(), 'holdfast-hangs-'));
const env = { ...process.env, HOLDFAST_HOME: home };
const children: ChildProcess[] = [];
after(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(home, { recursive: true });
});

/** Starts a supervisor of a machine of this name, without the machine. */
async function supervisorOf(word: string): Promise<ChildProcess> {
  const name = parseMachineName(word);
  const fixture = join(import.meta.dirname, 'fixtures/stopped-supervisor.ts');
  const child = spawn(process.execPath, [fixture, 'start', name], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout, 'data');
  await writeMachineRecord(home, name);
  return child;
}

function holdfast(...words: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [main, ...words], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  return child;
}

async function endOf(
  child: ChildProcess,
): Promise<{ code: number | null; signal: string | null; stderr: string }> {
  const closed = once(child, 'close');
  const stderr = child.stderr ? await text(child.stderr) : '';
  const [code, signal] = (await closed) as [number | null, string | null];
  return { code, signal, stderr };
}

function commandsOf(name: string): ChildProcess[] {
  const of = ['--machine', name];
  return [['list'], ['status', ...of], ['stop', ...of], ['logs', ...of], ['exec', ...of, '--', 'true']].map(
    (words) => holdfast(...words),
  );
}

test('every command ends when the supervisor is stopped, and names its process', {
  timeout: 60_000,
}, async () => {
  const supervisor = await supervisorOf('stopped');
  supervisor.kill('SIGSTOP');
  const ends = commandsOf('stopped').map(endOf);
  for (const end of ends) {
    const { code, stderr } = await end;
    assert.notEqual(code, 0);
    assert.match(stderr, new RegExp(`process ${supervisor.pid} gave no answer for 10 s`));
  }
});

test('a command that a supervisor runs ends when it is stopped meanwhile', { timeout: 60_000 }, async () => {
  const supervisor = await supervisorOf('later');
  const child = holdfast('exec', '--machine', 'later', '--', 'true');
  const end = endOf(child);
  await sleep(2000);
  supervisor.kill('SIGSTOP');
  assert.match((await end).stderr, /the supervisor of the machine does not answer/);
});

test('a signal ends a command at once while it waits', { timeout: 60_000 }, async () => {
  const supervisor = await supervisorOf('waits');
  supervisor.kill('SIGSTOP');
  const children = commandsOf('waits');
  const ends = children.map(endOf);
  await sleep(6000);
  for (const child of children) child.kill('SIGTERM');
  const began = performance.now();
  for (const end of ends) {
    const { code, signal } = await end;
    assert.ok(code === 143 || signal === 'SIGTERM', `${code}`);
  }
  assert.ok(performance.now() - began < 3000);
});

test('stop --force ends a supervisor that hangs', { timeout: 60_000 }, async () => {
  const supervisor = await supervisorOf('forced');
  const ended = once(supervisor, 'exit');
  supervisor.kill('SIGSTOP');
  await endOf(holdfast('stop', '--force', '--machine', 'forced'));
  assert.deepEqual(await ended, [null, 'SIGKILL']);
});
