import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bytes, GiB, MiB } from '../../../../../src/base/size.ts';
import { durationText, listText, statusText } from '../../../../../src/cli/commands/status/text.ts';
import type { MachineStatus } from '../../../../../src/lifecycle/status.ts';
import { parseMachineName } from '../../../../../src/machine/paths.ts';
import { rootHash } from '../../../../../src/verity/root-hash.ts';

const off: MachineStatus = {
  name: parseMachineName('gateway-1'),
  state: 'stopped',
  release: '13.2.20261122',
  slot: 'A',
  phase: 'committed',
  verifiedBoot: undefined,
  cpus: 2,
  memory: GiB,
  dataSize: (10 * GiB) as Bytes,
  transport: 'vsock',
  verity: 'on',
  dataEncrypted: false,
  recoveryKeyShown: false,
  autostart: false,
  pid: undefined,
  accelerator: undefined,
  guest: undefined,
  guestProblem: undefined,
  programs: [],
  problem: undefined,
  lastCrash: undefined,
  endsWith: undefined,
};

const running: MachineStatus = {
  ...off,
  state: 'running',
  verifiedBoot: true,
  pid: 4711,
  accelerator: 'tcg',
  guest: {
    release: '13.2.20261122',
    slot: 'A',
    uptime: 3725.5,
    memory: { total: GiB, available: (768 * MiB) as Bytes },
    data: { size: (10 * GiB) as Bytes, used: GiB, usedPercent: 10, isFull: false },
    logs: { size: GiB, used: (16 * MiB) as Bytes, usedPercent: 2, isFull: false },
    rootHash: rootHash.parse('ab'.repeat(32)),
    verity: 'verified',
    secureBoot: true,
    lockdown: 'integrity',
    addresses: ['10.0.2.15'],
    degraded: [],
    users: [],
    ignored: [],
    asReleased: false,
  },
};

test('a running machine shows the report of its guest', () => {
  assert.equal(
    statusText(running),
    [
      'machine        gateway-1',
      'state          running (process 4711, tcg)',
      'release        13.2.20261122',
      'slot           A',
      'verified boot  yes (Secure Boot on, lockdown integrity, root verified)',
      `root hash      ${'ab'.repeat(32)}`,
      'address        10.0.2.15 (vsock)',
      'uptime         1:02:05',
      'CPUs           2',
      'memory         256 MB of 1 GB used',
      'data           1 GB of 10 GB used',
      'logs           16 MB of 1 GB used',
      'autostart      off',
    ].join('\n'),
  );
});

test('a slot other than the committed one is explained', () => {
  assert.match(statusText({ ...running, phase: 'trial' }), /^slot +A \(on trial: any restart returns/m);
  assert.match(statusText({ ...running, phase: 'degraded' }), /^slot +A \(degraded/m);
  assert.match(statusText({ ...off, phase: 'finalized' }), /^slot +A \(the next start is a trial/m);
});

test('a machine that is off shows the facts that need no guest', () => {
  const text = statusText(off);
  assert.match(text, /^state +stopped$/m);
  assert.match(text, /^memory +1 GB$/m);
  assert.doesNotMatch(text, /verified|uptime|undefined/);
});

test('problems are visible', () => {
  const guest = running.guest && { ...running.guest, secureBoot: false, verity: 'off' as const };
  assert.match(statusText({ ...running, verifiedBoot: false, guest }), /NO \(Secure Boot OFF, .* root off\)/);
  assert.match(statusText({ ...off, state: 'failed' }), /run `holdfast start` to start it again/);
  const booting: MachineStatus = {
    ...off,
    state: 'booting',
    pid: 1,
    accelerator: 'kvm',
    guestProblem: 'silent',
  };
  assert.match(statusText(booting), /^guest +silent$/m);
});

test('each degraded function has a line', () => {
  const guest = running.guest && { ...running.guest, degraded: ['Log is in memory', '/etc is in memory'] };
  assert.match(
    statusText({ ...running, guest }),
    /^degraded +Log is in memory\ndegraded +\/etc is in memory$/m,
  );
});

test('a partition that is nearly full is named with its percentage', () => {
  const use = (usedPercent: number, isFull = false) => ({ size: GiB, used: GiB, usedPercent, isFull });
  const text = (logs: ReturnType<typeof use>) =>
    statusText({ ...running, guest: running.guest && { ...running.guest, logs } });
  assert.match(
    text(use(97)),
    /^degraded +logs is 97 % full; `holdfast exec .* \/var\/log .*lists what fills it$/m,
  );
  assert.match(text(use(100, true)), /^degraded +logs is full: nothing more can be written there; /m);
  assert.doesNotMatch(text(use(94)), /^degraded/m);
});

test('files without effect are named', () => {
  const guest = running.guest && { ...running.guest, ignored: ['/etc/fstab has no effect: x'] as never[] };
  assert.match(statusText({ ...running, guest }), /^no effect +\/etc\/fstab has no effect: x$/m);
});

test('a list has one line for each machine, in columns', () => {
  const lines = listText([running, off]).split('\n');
  assert.equal(lines.length, 3);
  const column = lines[0]?.indexOf('STATE');
  assert.deepEqual(
    lines.slice(1).map((line) => line.slice(column, (column ?? 0) + 7)),
    ['running', 'stopped'],
  );
  assert.match(listText([]), /no machines/);
});

test('formats durations', () => {
  assert.equal(durationText(5.9), '0:00:05');
  assert.equal(durationText(86_400), '1 day 0:00:00');
  assert.equal(durationText(273_906), '3 days 4:05:06');
});

test('a stopped program, the last crash and the service that ends the machine are named', () => {
  const text = statusText({
    ...running,
    programs: [{ program: 'QEMU', pid: 4711, isStopped: true, missing: [] }],
    lastCrash: { time: '2026-11-28T08:00:00.000Z', reason: 'Oops: 0002' },
    endsWith: 'cron.service',
  });
  assert.match(text, /^program +QEMU was stopped by a signal; `kill -CONT 4711` continues it$/m);
  assert.match(text, /^last crash +2026-11-28T08:00:00\.000Z: Oops: 0002$/m);
  assert.match(text, /^ends with +cron\.service, in which it was started; `holdfast autostart enable`/m);
});
