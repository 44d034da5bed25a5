import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { failure } from '../../../../src/base/errors.ts';
import { start, started } from '../../../../src/base/process.ts';
import { killProcess, readProcess } from '../../../../src/base/process-table.ts';
import { GuestEvents } from '../../../../src/hypervisor/qemu/guest-events.ts';
import type { Qmp } from '../../../../src/hypervisor/qemu/qmp.ts';
import {
  type DaemonState,
  daemonState,
  VsockChannel,
} from '../../../../src/hypervisor/qemu/vsock-channel.ts';

/** A guest whose device, daemon and server the test sets; `opened` counts connections. */
function guest() {
  const state = { isStarted: false, daemon: 'working' as DaemonState, isSilent: false, now: 0, opened: 0 };
  const channel = new VsockChannel({
    isStarted: async () => state.isStarted,
    daemon: async () => state.daemon,
    now: () => state.now,
    open: async () => {
      state.opened++;
      if (state.isSilent) throw failure('channel.timeout', 'no answer');
      return new Duplex();
    },
  });
  return { state, channel };
}

test('no connection is made before the device has started and the daemon had time to follow', async () => {
  const { state, channel } = guest();
  await assert.rejects(channel.connect(22), { code: 'channel.refused' });
  state.isStarted = true;
  state.now = 1000;
  await assert.rejects(channel.connect(22), { code: 'channel.refused' });
  state.now = 1499;
  await assert.rejects(channel.connect(22), { code: 'channel.refused' });
  assert.equal(state.opened, 0);
  state.now = 1500;
  assert.ok(await channel.connect(22));
  // stopped and started again: the time starts again
  state.isStarted = false;
  await assert.rejects(channel.connect(22), { code: 'channel.refused' });
  state.isStarted = true;
  state.now = 2000;
  await assert.rejects(channel.connect(22), { code: 'channel.refused' });
  assert.equal(state.opened, 1);
});

test('the channel is lost when the daemon or its worker has ended', async () => {
  const ended = guest();
  ended.state.daemon = 'gone';
  await assert.rejects(ended.channel.connect(22), { code: 'vsock.gone' });
  const stuck = guest();
  await assert.rejects(stuck.channel.connect(22), { code: 'channel.refused' });
  stuck.state.daemon = 'idle';
  await assert.rejects(stuck.channel.connect(22), { code: 'vsock.gone' });
});

test('a daemon with unknown thread names counts as working until a timeout', async () => {
  const { state, channel } = guest();
  Object.assign(state, { daemon: 'idle', isStarted: true });
  await assert.rejects(channel.connect(22), { code: 'channel.refused' });
  state.now = 500;
  assert.ok(await channel.connect(22));
  state.isSilent = true;
  await assert.rejects(channel.connect(22), { code: 'channel.timeout' });
  await assert.rejects(channel.connect(22), { code: 'vsock.gone' });
});

test('the channel waits for a slow guest behind a working daemon', async () => {
  const { state, channel } = guest();
  Object.assign(state, { isStarted: true, isSilent: true });
  await assert.rejects(channel.connect(22), { code: 'channel.refused' });
  state.now = 500;
  for (let count = 0; count < 3; count++)
    await assert.rejects(channel.connect(22), { code: 'channel.timeout' });
});

test('the state of a daemon follows from its threads', async () => {
  const child = start('sleep', ['60'], { stdio: 'ignore' });
  await started(child, 'sleep');
  const entry = await readProcess(child.pid ?? 0);
  assert.ok(entry);
  assert.equal(await daemonState(entry), 'idle');
  await killProcess(entry);
  assert.equal(await daemonState(entry), 'gone');
  assert.equal(await daemonState(undefined), 'gone');
});

/** A QEMU that records its commands. */
function fakeQmp(status: string) {
  const orders: string[] = [];
  const qmp: Qmp = {
    version: '7.2.0',
    closed: new Promise(() => {}),
    close: () => {},
    execute: async (command, _argument, answer) => {
      orders.push(command);
      return answer.parse({ status });
    },
  };
  return { qmp, orders };
}

test('a guest that is restarted for its channel counts as rebooted, also after a reset', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { qmp, orders } = fakeQmp('running');
  const events = new GuestEvents();
  await events.attend(qmp);
  const kill = () => void orders.push('kill');
  events.restart(kill);
  events.restart(kill);
  events.onEvent({ name: 'SHUTDOWN', data: { guest: true, reason: 'guest-shutdown' } });
  assert.equal(events.end, 'reboot');
  assert.deepEqual(orders, ['query-status', 'system_powerdown']);
  context.mock.timers.tick(30_000);
  assert.deepEqual(orders, ['query-status', 'system_powerdown', 'system_reset']);
  context.mock.timers.tick(5000);
  assert.equal(orders.at(-1), 'kill', 'a QEMU that does not react is ended');
});

test('a guest that was paused for lack of space resumes, also one paused before adoption', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { qmp, orders } = fakeQmp('io-error');
  const events = new GuestEvents();
  await events.attend(qmp);
  context.mock.timers.tick(5000);
  assert.deepEqual(orders, ['query-status', 'cont']);
  events.onEvent({ name: 'BLOCK_IO_ERROR', data: { action: 'report' } });
  context.mock.timers.tick(5000);
  assert.equal(orders.length, 2);
  events.onEvent({ name: 'BLOCK_IO_ERROR', data: { action: 'stop' } });
  context.mock.timers.tick(5000);
  assert.equal(orders.length, 3);
});
