import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { GiB } from '../../../src/base/size.ts';
import type { CommandResult } from '../../../src/channel/guest.ts';
import type { Session } from '../../../src/channel/session.ts';
import type {
  MachineEnd,
  MachineHardware,
  MachineRunner,
  RunningMachine,
} from '../../../src/hypervisor/hypervisor.ts';
import type { ConsoleProblem } from '../../../src/supervisor/console-log.ts';
import { keepConnected, retryDelay } from '../../../src/supervisor/guest-connection.ts';
import { failedStarts, pauseAfter } from '../../../src/supervisor/restart-policy.ts';
import { type MachineEvent, type MachineState, next } from '../../../src/supervisor/state.ts';
import { supervise } from '../../../src/supervisor/supervisor.ts';
import { eventually } from '../../support/eventually.ts';

const hardware: MachineHardware = {
  name: 'fake',
  cpus: 1,
  memory: GiB,
  disk: '/nowhere/disk',
  base: undefined,
  variables: '/nowhere/variables',
  credentials: {},
  transport: 'vsock',
  tpm: undefined,
  run: '/nowhere/run',
  consoleLog: '/nowhere/console.log',
};

/** A machine in memory: `events` records the calls; the test boots it, breaks it and ends it. */
function fakeMachine(habits: { heedsPowerButton?: boolean; heedsPowerOff?: boolean } = {}) {
  const events: string[] = [];
  let ended = Promise.withResolvers<MachineEnd>();
  let lost = Promise.withResolvers<string>();
  const askedToEnd = Promise.withResolvers<void>();
  const guest: {
    listens: boolean;
    prepared: number;
    forgotten: number;
    answered: number;
    hasOtherSlot: boolean;
    isSingleStart: boolean;
    crashes: string[];
    drop: () => void;
    problem?: ConsoleProblem;
  } = {
    listens: false,
    forgotten: 0,
    answered: 0,
    prepared: 0,
    hasOtherSlot: false,
    isSingleStart: false,
    crashes: [],
    drop: () => {},
  };
  const running = (): RunningMachine => ({
    pid: 4711,
    startedAt: new Date(0),
    accelerator: 'fake',
    programs: [],
    lost: lost.promise,
    askedToEnd: askedToEnd.promise,
    restart: () => {
      events.push('restart');
      ended.resolve('reboot');
    },
    ended: ended.promise,
    connect: async () => {
      if (!guest.listens) throw new Error('no listener');
      return new Duplex();
    },
    listen: () => Promise.reject(new Error('not used')),
    powerDown: async () => {
      events.push('power button');
      if (habits.heedsPowerButton) ended.resolve('shutdown');
    },
    exportDisk: async () => ({ socket: '/nowhere/disk', name: 'disk', close: async () => {} }),
    kill: async () => {
      events.push('kill');
      ended.resolve('killed');
    },
    release: () => events.push('release'),
  });
  const openSession = async (): Promise<Session> => {
    const gone = Promise.withResolvers<void>();
    guest.drop = gone.resolve;
    return {
      start: () => Promise.reject(new Error('not used')),
      run: async (argv): Promise<CommandResult> => {
        if (argv.includes('poweroff')) {
          events.push('poweroff');
          if (!habits.heedsPowerOff) throw new Error('no answer');
          ended.resolve('shutdown');
        }
        return { code: 0, stdout: Buffer.from(`${(Date.now() / 1000).toFixed(3)}000000\n`), stderr: '' };
      },
      ended: gone.promise,
      close: async () => gone.resolve(),
    };
  };
  const hypervisor = (existing: boolean): MachineRunner => ({
    start: async () => {
      events.push('start');
      if (events.includes('broken')) throw new Error('no more memory');
      ended = Promise.withResolvers<MachineEnd>();
      lost = Promise.withResolvers<string>();
      return running();
    },
    adopt: async () => (existing ? running() : undefined),
  });
  const parts = (existing = false) => ({
    hypervisor: hypervisor(existing),
    machine: hardware,
    prepare: async () => {
      guest.prepared++;
      return hardware;
    },
    handedOver: async () => void guest.forgotten++,
    answered: async () => void guest.answered++,
    isSingleStart: async () => guest.isSingleStart,
    fallBack: async () => {
      if (guest.hasOtherSlot) events.push('fall back');
      return guest.hasOtherSlot;
    },
    pauseAfter: (failed: number) => [0, 10, 20][failed],
    crashed: async (reason: string) => void guest.crashes.push(reason),
    readProblem: async () => guest.problem,
    openSession,
    log: () => {},
    stopDeadline: 200,
    terminateDeadline: 100,
    askEvery: 20,
    lookEvery: 10,
  });
  return {
    parts,
    events,
    guest,
    end: (how: MachineEnd) => ended.resolve(how),
    lose: (program: string) => lost.resolve(program),
    askToEnd: () => askedToEnd.resolve(),
  };
}

test('a machine starts, boots, runs, and comes back when the channel was lost', async () => {
  const { parts, events, guest, end } = fakeMachine();
  const supervisor = supervise(parts(), 'start');
  assert.equal(supervisor.status().state, 'starting');
  await supervisor.started;
  const { state, pid, startedAt, accelerator } = supervisor.status();
  assert.deepEqual([state, pid, startedAt, accelerator], ['booting', 4711, new Date(0), 'fake']);
  await eventually(() => supervisor.status().channelProblem === 'no listener');
  assert.equal(guest.answered, 0);
  guest.listens = true;
  await eventually(() => supervisor.status().state === 'running');
  assert.equal(guest.answered, 1);
  guest.listens = false;
  guest.drop();
  await eventually(() => supervisor.status().state === 'booting');
  assert.equal(supervisor.session(), undefined);
  guest.listens = true;
  await eventually(() => supervisor.status().state === 'running');
  assert.ok(supervisor.session());
  assert.equal(supervisor.status().channelProblem, undefined);
  assert.deepEqual(events, ['start']);
  end('shutdown');
  assert.equal(await supervisor.ended, 'stopped');
});

test('a guest that reboots is started again, without a limit', async () => {
  const { parts, events, guest, end } = fakeMachine();
  guest.listens = true;
  const supervisor = supervise(parts(), 'start');
  for (let boots = 1; boots <= 3; boots++) {
    await eventually(() => supervisor.status().state === 'running');
    assert.equal(events.length, boots);
    end('reboot');
    await eventually(() => events.length === boots + 1);
  }
  await eventually(() => supervisor.status().state === 'running');
  end('shutdown');
  assert.equal(await supervisor.ended, 'stopped');
  assert.deepEqual(events, ['start', 'start', 'start', 'start']);
});

const panic: ConsoleProblem = { text: 'Kernel panic - not syncing: no', kind: 'panic' };

test('a guest that ends repeatedly before it answers is given up, with the reason', async () => {
  const { parts, events, guest, end } = fakeMachine();
  const supervisor = supervise(parts(), 'start');
  await supervisor.started;
  guest.problem = panic;
  for (let starts = 1; starts <= 3; starts++) {
    await eventually(() => events.length === starts && supervisor.status().state === 'booting');
    await eventually(() => supervisor.status().problem === panic.text);
    end('reboot');
  }
  assert.equal(await supervisor.ended, 'failed');
  assert.equal(supervisor.status().state, 'failed');
  assert.match(supervisor.status().problem ?? '', /^it did not come up in 3 starts in a row: Kernel panic/);
  assert.equal(guest.prepared, 3);
  assert.equal(guest.forgotten, 3, 'what was for one start is forgotten after each');
});

const locked: ConsoleProblem = { text: 'Data is locked: no', kind: 'locked' };

test('a guest that cannot open its data is given up at once, and no slot counts as failed', async () => {
  const { parts, events, guest, end } = fakeMachine();
  guest.hasOtherSlot = true;
  guest.problem = locked;
  const supervisor = supervise(parts(), 'start');
  await eventually(() => supervisor.status().state === 'booting');
  end('reboot');
  assert.equal(await supervisor.ended, 'failed');
  assert.equal(supervisor.status().problem, locked.text);
  assert.deepEqual(events, ['start']);
});

test('the committed release follows a trial that cannot open the data', async () => {
  const { parts, events, guest, end } = fakeMachine();
  guest.problem = locked;
  guest.isSingleStart = true;
  const supervisor = supervise(parts(), 'start');
  await eventually(() => events.length === 1 && supervisor.status().state === 'booting');
  end('reboot');
  await eventually(() => events.length === 2);
  delete guest.problem;
  guest.listens = true;
  await eventually(() => supervisor.status().state === 'running');
  end('shutdown');
  assert.equal(await supervisor.ended, 'stopped');
});

test('the other slot has one start when the committed slot does not come up', async () => {
  for (const comesUp of [true, false]) {
    const { parts, events, guest, end } = fakeMachine();
    guest.hasOtherSlot = true;
    const supervisor = supervise(parts(), 'start');
    for (let starts = 1; starts <= 3; starts++) {
      await eventually(() => events.filter((event) => event === 'start').length === starts);
      await eventually(() => supervisor.status().state === 'booting');
      end('reboot');
    }
    await eventually(() => events.join() === 'start,start,start,fall back,start');
    if (comesUp) {
      guest.listens = true;
      await eventually(() => supervisor.status().state === 'running');
      end('shutdown');
      assert.equal(await supervisor.ended, 'stopped');
    } else {
      await eventually(() => supervisor.status().state === 'booting');
      end('reboot');
      assert.equal(await supervisor.ended, 'failed');
      assert.match(supervisor.status().problem ?? '', /^it did not come up in 4 starts in a row/);
    }
  }
});

test('a guest that answers between two panics is given up as well, but not one that reboots by itself', async () => {
  const { parts, events, guest, end } = fakeMachine();
  guest.listens = true;
  const supervisor = supervise(parts(), 'start');
  const start = async (count: number, problem?: ConsoleProblem) => {
    await eventually(() => events.length === count && supervisor.status().state === 'running');
    if (problem) guest.problem = problem;
    else delete guest.problem;
    end('reboot');
  };
  await start(1, panic);
  await start(2, panic);
  await start(3);
  await start(4, panic);
  await start(5, panic);
  await start(6, panic);
  assert.equal(await supervisor.ended, 'failed');
  assert.equal(events.length, 6);
});

test('a machine that its firmware rejects is ended, not started again', async () => {
  const { parts, events, guest } = fakeMachine();
  guest.problem = { text: 'No bootable option', kind: 'unbootable' };
  const supervisor = supervise(parts(), 'start');
  assert.equal(await supervisor.ended, 'failed');
  assert.deepEqual(events, ['start', 'kill']);
  assert.match(supervisor.status().problem ?? '', /nothing that it is allowed to start: No bootable option$/);
});

test('a stop between two starts takes effect at once', async () => {
  for (const force of [false, true]) {
    const { parts, events, end } = fakeMachine();
    const supervisor = supervise({ ...parts(), pauseAfter: () => 60_000 }, 'start');
    await supervisor.started;
    end('reboot');
    await eventually(() => supervisor.status().state === 'starting');
    const stopped = supervisor.stop({ force });
    for (let turn = 0; turn < 10; turn++) await setImmediate(); // without a timer
    assert.equal(supervisor.status().state, 'stopped');
    await stopped;
    assert.equal(events.filter((event) => event === 'start').length, 1);
  }
});

test('a signal shuts the guest down, and ends one that does not react', async () => {
  for (const heedsPowerOff of [true, false]) {
    const { parts, events, guest, askToEnd } = fakeMachine({ heedsPowerOff });
    guest.listens = true;
    const supervisor = supervise(parts(), 'start');
    await eventually(() => supervisor.status().state === 'running');
    if (heedsPowerOff) askToEnd();
    else await supervisor.terminate();
    assert.equal(await supervisor.ended, 'stopped');
    assert.equal(events.includes('poweroff'), true);
    assert.equal(events.includes('kill'), !heedsPowerOff);
  }
});

test('a guest that halts is switched off, whatever it was doing', async () => {
  for (const isStopping of [false, true]) {
    const { parts, events, guest } = fakeMachine();
    guest.listens = true;
    const supervisor = supervise({ ...parts(), stopDeadline: 60_000 }, 'start');
    await eventually(() => supervisor.status().state === 'running');
    if (isStopping) void supervisor.stop({ force: false });
    guest.problem = { text: 'reboot: System halted', kind: 'halted' };
    assert.equal(await supervisor.ended, 'stopped');
    assert.equal(events.at(-1), 'kill');
    assert.deepEqual(guest.crashes, []);
  }
});

test('every crash is recorded with its reason, but no end that was asked for', async () => {
  const { parts, events, guest, end, lose } = fakeMachine();
  guest.listens = true;
  const supervisor = supervise({ ...parts(), pauseAfter: () => 0 }, 'start');
  const running = (starts: number) =>
    eventually(
      () =>
        events.filter((event) => event === 'start').length === starts &&
        supervisor.status().state === 'running',
    );
  await running(1);
  end('reboot');
  await running(2);
  guest.problem = { text: 'Oops: 0002; Kernel panic - not syncing: Fatal exception', kind: 'panic' };
  end('reboot');
  await eventually(() => guest.crashes.length === 1);
  delete guest.problem;
  await running(3);
  end('hang');
  await running(4);
  lose('swtpm');
  await running(5);
  end('killed');
  await running(6);
  await supervisor.stop({ force: true });
  assert.deepEqual(guest.crashes, [
    'Oops: 0002; Kernel panic - not syncing: Fatal exception',
    'the guest hung, and its watchdog reset it',
    'swtpm ended unexpectedly',
    'QEMU ended unexpectedly',
  ]);
});

test('the problem of a successful start is reported until the next start', async () => {
  const { parts, events, guest, end } = fakeMachine();
  const notice: ConsoleProblem = { text: 'failed to load Boot000A', kind: 'notice' };
  guest.problem = notice;
  guest.listens = true;
  const supervisor = supervise(parts(), 'start');
  await eventually(
    () => supervisor.status().state === 'running' && supervisor.status().problem === notice.text,
  );
  delete guest.problem;
  end('reboot');
  await eventually(() => events.length === 2 && supervisor.status().state === 'running');
  assert.equal(supervisor.status().problem, undefined);
  end('shutdown');
  await supervisor.ended;
});

test('a start without an answer, or with an early panic, has failed', () => {
  const good = { answered: true, crashed: false, lasted: 1000 };
  assert.equal(failedStarts(2, good), 0);
  assert.equal(failedStarts(2, { ...good, answered: false }), 3);
  assert.equal(failedStarts(1, { ...good, crashed: true }), 2);
  assert.equal(failedStarts(2, { ...good, crashed: true, lasted: 3_600_000 }), 0);
  assert.deepEqual([0, 1, 2, 3].map(pauseAfter), [0, 1000, 5000, undefined]);
});

test('a guest that cannot be started again has failed', async () => {
  const { parts, events, end } = fakeMachine();
  const supervisor = supervise(parts(), 'start');
  await supervisor.started;
  events.push('broken');
  end('reboot');
  assert.equal(await supervisor.ended, 'failed');
  assert.equal(supervisor.status().state, 'failed');
});

test('a guest that reboots while it is being stopped stays off', async () => {
  const { parts, events, end } = fakeMachine();
  const supervisor = supervise(parts(), 'start');
  const stopped = supervisor.stop({ force: false });
  await eventually(() => events.includes('power button'));
  end('reboot');
  await stopped;
  assert.equal(supervisor.status().state, 'stopped');
  assert.deepEqual(
    events.filter((event) => event === 'start'),
    ['start'],
  );
});

test('a session that is being closed is not used any more', async () => {
  const session: Session = {
    start: () => Promise.reject(new Error('not used')),
    run: () => Promise.reject(new Error('not used')),
    ended: new Promise(() => {}),
    close: async () => {},
  };
  const connected = Promise.withResolvers<void>();
  const connection = keepConnected(async () => session, {
    connected: () => connected.resolve(),
    disconnected: () => {},
    failed: () => {},
  });
  await connected.promise;
  assert.equal(connection.session(), session);
  const closed = connection.close();
  assert.equal(connection.session(), undefined);
  await closed;
});

test('a machine that runs is found, not started', async () => {
  for (const mode of ['start', 'adopt'] as const) {
    const { parts, events, end } = fakeMachine();
    const supervisor = supervise(parts(true), mode);
    await supervisor.started;
    assert.deepEqual(events, []);
    end('shutdown');
    await supervisor.ended;
  }
});

test('adoption does not start a machine', async () => {
  const { parts, events } = fakeMachine();
  await assert.rejects(supervise(parts(), 'adopt').started, { code: 'machine.not-running' });
  assert.deepEqual(events, []);
});

test('a hypervisor that fails to start reports the reason', async () => {
  const { parts } = fakeMachine();
  const broken = {
    ...parts(),
    hypervisor: { ...parts().hypervisor, start: () => Promise.reject(new Error('no')) },
  };
  await assert.rejects(supervise(broken, 'start').started, /no/);
});

test('a guest that answers is asked to shut down through the channel', async () => {
  const { parts, events, guest } = fakeMachine({ heedsPowerOff: true });
  guest.listens = true;
  const supervisor = supervise(parts(), 'start');
  await eventually(() => supervisor.status().state === 'running');
  await supervisor.stop({ force: false });
  assert.equal(supervisor.status().state, 'stopped');
  assert.equal(await supervisor.ended, 'stopped');
  assert.deepEqual(events, ['start', 'poweroff']);
});

test('a booting guest is asked by the power button, repeatedly', async () => {
  const { parts, events, end } = fakeMachine();
  const supervisor = supervise(parts(), 'start');
  const stopped = supervisor.stop({ force: false });
  await eventually(() => events.filter((event) => event === 'power button').length >= 3);
  assert.equal(supervisor.status().state, 'stopping');
  end('shutdown');
  await stopped;
  assert.equal(supervisor.status().state, 'stopped');
});

test('a guest that does not take the command gets the power button', async () => {
  const { parts, events, guest } = fakeMachine({ heedsPowerButton: true });
  guest.listens = true;
  const supervisor = supervise(parts(), 'start');
  await eventually(() => supervisor.status().state === 'running');
  await supervisor.stop({ force: false });
  assert.deepEqual(events, ['start', 'poweroff', 'power button']);
});

test('a guest that does not shut down in time is left running, and can be ended by force', async () => {
  const { parts, events, guest } = fakeMachine();
  guest.listens = true;
  const supervisor = supervise(parts(), 'start');
  await eventually(() => supervisor.status().state === 'running');
  await assert.rejects(supervisor.stop({ force: false }), { code: 'machine.stop-timeout', exitCode: 1 });
  assert.equal(supervisor.status().state, 'running');
  assert.ok(!events.includes('kill'));
  await supervisor.stop({ force: true });
  assert.equal(supervisor.status().state, 'stopped');
});

test('force ends a clean stop that is under way', async () => {
  const { parts } = fakeMachine();
  const supervisor = supervise(parts(), 'start');
  await supervisor.started;
  const clean = supervisor.stop({ force: false });
  await supervisor.stop({ force: true });
  await clean;
  assert.equal(supervisor.status().state, 'stopped');
});

test('a machine whose process is killed starts again, until it is given up', async () => {
  const { parts, events, end } = fakeMachine();
  const supervisor = supervise(parts(), 'start');
  await supervisor.started;
  for (let killed = 1; killed <= 3; killed++) {
    await eventually(() => starts(events) === killed && supervisor.status().state === 'booting');
    end('killed');
  }
  assert.equal(await supervisor.ended, 'failed');
  assert.equal(starts(events), 3);
  assert.match(supervisor.status().problem ?? '', /^QEMU ended unexpectedly; 3 starts/);
});

test('a machine that has lost a helper is restarted, and its status names the helper meanwhile', async () => {
  const { parts, events, guest, lose } = fakeMachine();
  guest.listens = true;
  const supervisor = supervise(parts(), 'start');
  await eventually(() => supervisor.status().state === 'running');
  const problems = new Set<string | undefined>();
  lose('swtpm');
  await eventually(() => {
    problems.add(supervisor.status().problem);
    return starts(events) === 2 && supervisor.status().state === 'running';
  });
  assert.deepEqual(events, ['start', 'restart', 'start']);
  assert.ok(
    [...problems].some((text) => text?.startsWith('swtpm has ended unexpectedly')),
    'it was named',
  );
  assert.equal(supervisor.status().problem, undefined);
  await supervisor.stop({ force: true });
});

test('a helper that ends while the machine stops starts nothing', async () => {
  const { parts, events, lose } = fakeMachine();
  const supervisor = supervise(parts(), 'start');
  await supervisor.started;
  const stopped = supervisor.stop({ force: false });
  lose('vhost-device-vsock');
  await stopped;
  assert.equal(supervisor.status().state, 'stopped');
  assert.equal(starts(events), 1);
});

const starts = (events: readonly string[]) => events.filter((event) => event === 'start').length;

test('leaving does not end the machine', async () => {
  const { parts, events, guest } = fakeMachine();
  guest.listens = true;
  const supervisor = supervise(parts(), 'start');
  await eventually(() => supervisor.status().state === 'running');
  await supervisor.leave();
  assert.equal(await supervisor.ended, 'left');
  assert.deepEqual(events, ['start', 'release']);
});

test('an ended machine stays ended', () => {
  const events: MachineEvent[] = [
    'started',
    'connected',
    'disconnected',
    'stop',
    'give-up',
    'shutdown',
    'killed',
  ];
  for (const state of ['stopped', 'failed'] satisfies MachineState[])
    for (const event of events) assert.equal(next(state, event), state);
});

test('attempts are frequent while a guest boots, and always bounded', () => {
  assert.equal(retryDelay(0), 200);
  assert.equal(retryDelay(119_999), 200);
  assert.equal(retryDelay(300_000), 3000);
  assert.equal(retryDelay(86_400_000), 5000);
});
