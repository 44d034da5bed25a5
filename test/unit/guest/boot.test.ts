import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unlessAborted } from '../../../src/base/abort.ts';
import { readyText } from '../../../src/cli/commands/status/text.ts';
import { waitForBoot } from '../../../src/guest/boot.ts';
import { parseMachineName } from '../../../src/machine/paths.ts';
import { guestThat } from '../../support/guest.ts';

function answering(stdout: string) {
  const asked: unknown[] = [];
  const run = async (...call: unknown[]) => {
    asked.push(call);
    return { code: 0, stdout: Buffer.from(stdout), stderr: '' };
  };
  return { asked, guest: guestThat(run) };
}

test('the guest reports the end of its boot; systemctl exits with 1 when a unit failed', async () => {
  const { asked, guest } = answering('degraded\n');
  assert.equal(await waitForBoot(guest, 1000), 'degraded');
  assert.equal(await waitForBoot(answering('running\n').guest, 1000), 'running');
  const command = ['systemctl', 'is-system-running', '--wait'];
  assert.deepEqual(asked, [[command, { timeoutMs: 1000, accept: [0, 1] }]]);
});

for (const text of ['', 'starting\n', 'stopping\n', 'maintenance\n', 'running\nrunning\n'])
  test(`rejects the answer ${JSON.stringify(text)}`, async () => {
    assert.equal(await waitForBoot(answering(text).guest, 1000), undefined);
  });

test('a start reports failed units', () => {
  const name = parseMachineName('gateway-1');
  assert.equal(readyText(name, 'running', true), 'gateway-1 is running');
  assert.equal(readyText(name, 'running', false), 'gateway-1 is already running');
  assert.match(readyText(name, 'degraded', true), /some units failed.*systemctl --failed/);
});

test('waits for work until it ends or is aborted', async () => {
  const controller = new AbortController();
  const never = new Promise<void>(() => {});
  assert.equal(await unlessAborted(Promise.resolve(7), controller.signal), 7);
  const waiting = unlessAborted(never, controller.signal);
  controller.abort(new Error('called off'));
  await assert.rejects(waiting, /called off/);
  await assert.rejects(unlessAborted(never, controller.signal), /called off/);
});
