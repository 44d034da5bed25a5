import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findProgram, searchPath } from '../../../src/base/find-program.ts';
import { start, started } from '../../../src/base/process.ts';
import {
  findProcesses,
  isRunning,
  killProcess,
  parseStartTicks,
  readProcess,
  readSignalState,
  startTime,
} from '../../../src/base/process-table.ts';
import { eventually } from '../../support/eventually.ts';

const stat = (name: string, state: string, ticks: string) =>
  `42 (${name}) ${state} ${Array.from({ length: 18 }, (_, index) => index).join(' ')} ${ticks} 9 9\n`;

test('parses the start time for any process name', () => {
  for (const name of ['qemu', 'a b', ') S 1 (', '((', '']) {
    assert.equal(parseStartTicks(stat(name, 'S', '12345')), 12345, name);
  }
});

test('returns no start time for zombies and malformed input', () => {
  assert.equal(parseStartTicks(stat('qemu', 'Z', '12345')), undefined);
  for (const text of ['', '42', '42 (x) S', stat('x', 'S', 'NaN')])
    assert.equal(parseStartTicks(text), undefined);
});

test('finds a process by its argv, distinguishes it from a later one, and kills it', async () => {
  const word = `3${process.pid}.25`;
  const child = start('sleep', [word], { stdio: 'ignore' });
  await started(child, 'sleep');
  const matches = (argv: readonly string[]) => argv[1] === word;
  const [found, ...others] = await findProcesses(matches);
  assert.ok(found);
  assert.equal(found.pid, child.pid);
  assert.deepEqual(others, []);
  assert.ok(Math.abs((await startTime(found)).getTime() - Date.now()) < 5000);
  assert.equal(await isRunning({ ...found, startTicks: found.startTicks - 1 }), false);
  await killProcess({ ...found, startTicks: found.startTicks - 1 });
  assert.equal(await isRunning(found), true);
  await killProcess(found);
  assert.equal(await isRunning(found), false);
  assert.deepEqual(await findProcesses(matches), []);
  await killProcess(found);
});

test('returns undefined for an unused PID', async () => {
  assert.equal(await readProcess(2 ** 22 + 1), undefined);
});

test('searches the sbin directories after PATH, and ignores relative directories', async () => {
  assert.equal(searchPath({ PATH: '.:/a::/sbin:b' }), '/a:/sbin:/usr/sbin');
  assert.equal(searchPath({}), '/usr/bin:/bin:/usr/sbin:/sbin');
  assert.match((await findProgram('sh')) ?? '', /\/sh$/);
  assert.equal(await findProgram('no-such-program'), undefined);
  assert.equal(await findProgram('/proc/version'), undefined);
});

test('a signal to end shows on a process that blocks it', async () => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    const child = start('env', ['--block-signal=HUP,INT,TERM', 'sleep', '60'], { stdio: 'ignore' });
    await started(child, 'env');
    const sleeping = async () => (await readProcess(child.pid ?? 0))?.argv[0] === 'sleep';
    await eventually(sleeping);
    const entry = await readProcess(child.pid ?? 0);
    assert.ok(entry);
    const none = { isAskedToEnd: false, isStopped: false };
    assert.deepEqual(await readSignalState(entry), none);
    process.kill(entry.pid, signal);
    assert.deepEqual(await readSignalState(entry), { ...none, isAskedToEnd: true });
    process.kill(entry.pid, 'SIGSTOP');
    await eventually(async () => (await readSignalState(entry)).isStopped);
    assert.equal(await isRunning(entry), true);
    await killProcess(entry);
    assert.deepEqual(await readSignalState(entry), none);
  }
});
