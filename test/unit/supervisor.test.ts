import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GiB } from '../../src/base/size.ts';
import type { CommandResult, Session } from '../../src/channel/session.ts';
import type {
  Hypervisor,
  MachineEnd,
  MachineHardware,
  RunningMachine,
} from '../../src/hypervisor/hypervisor.ts';
import { retryDelay } from '../../src/machine/guest-connection.ts';
import { type MachineEvent, type MachineState, next } from '../../src/machine/state.ts';
import { supervise } from '../../src/machine/supervisor.ts';

const hardware: MachineHardware = {
  name: 'fake',
  cpus: 1,
  memory: GiB,
  disk: '/nowhere/disk',
  variables: '/nowhere/variables',
  credentials: {},
  transport: 'vsock',
  run: '/nowhere/run',
  consoleLog: '/nowhere/console.log',
};

/** A machine in memory: what was done to it is in `events`; the test boots it, breaks it and ends it. */
function fakeMachine(habits: { heedsPowerButton?: boolean; heedsPowerOff?: boolean } = {}) {
  const events: string[] = [];
  let ended = Promise.withResolvers<MachineEnd>();
  const guest = { listens: false, drop: () => {} };
  const running = (): RunningMachine => ({
    pid: 4711,
    startedAt: new Date(0),
    accelerator: 'fake',
    ended: ended.promise,
    connect: async () => {
      if (!guest.listens) throw new Error('nobody listens');
      return new Duplex();
    },
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
  const hypervisor = (existing: boolean): Hypervisor => ({
    name: 'fake',
    start: async () => {
      events.push('start');
      if (events.includes('broken')) throw new Error('no more memory');
      ended = Promise.withResolvers<MachineEnd>();
      return running();
    },
    adopt: async () => (existing ? running() : undefined),
  });
  const parts = (existing = false) => ({
    hypervisor: hypervisor(existing),
    hardware,
    openSession,
    log: () => {},
    stopDeadline: 200,
    askEvery: 20,
  });
  return { parts, events, guest, end: (how: MachineEnd) => ended.resolve(how) };
}

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 10) {
    assert.ok(waited < 5000, 'it did not happen');
    await sleep(10);
  }
}

test('a machine starts, boots, runs, and comes back when the channel was lost', async () => {
  const { parts, events, guest, end } = fakeMachine();
  const supervisor = supervise(parts(), 'start');
  assert.equal(supervisor.status().state, 'starting');
  await supervisor.started;
  const { state, pid, startedAt, accelerator } = supervisor.status();
  assert.deepEqual([state, pid, startedAt, accelerator], ['booting', 4711, new Date(0), 'fake']);
  await until(() => supervisor.status().channelProblem === 'nobody listens');
  guest.listens = true;
  await until(() => supervisor.status().state === 'running');
  guest.listens = false;
  guest.drop();
  await until(() => supervisor.status().state === 'booting');
  assert.equal(supervisor.session(), undefined);
  guest.listens = true;
  await until(() => supervisor.status().state === 'running');
  assert.ok(supervisor.session());
  assert.equal(supervisor.status().channelProblem, undefined);
  assert.deepEqual(events, ['start']);
  end('shutdown');
  assert.equal(await supervisor.ended, 'stopped');
});

test('a guest that reboots is started again, as often as it likes', async () => {
  const { parts, events, guest, end } = fakeMachine();
  guest.listens = true;
  const supervisor = supervise(parts(), 'start');
  for (let boots = 1; boots <= 3; boots++) {
    await until(() => supervisor.status().state === 'running');
    assert.equal(events.length, boots);
    end('reboot');
    await until(() => events.length === boots + 1);
  }
  await until(() => supervisor.status().state === 'running');
  end('shutdown');
  assert.equal(await supervisor.ended, 'stopped');
  assert.deepEqual(events, ['start', 'start', 'start', 'start']);
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
  await until(() => events.includes('power button'));
  end('reboot');
  await stopped;
  assert.equal(supervisor.status().state, 'stopped');
  assert.deepEqual(
    events.filter((event) => event === 'start'),
    ['start'],
  );
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

test('a hypervisor that fails to start says so', async () => {
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
  await until(() => supervisor.status().state === 'running');
  await supervisor.stop({ force: false });
  assert.equal(supervisor.status().state, 'stopped');
  assert.equal(await supervisor.ended, 'stopped');
  assert.deepEqual(events, ['start', 'poweroff']);
});

test('a guest that boots is asked by the power button, again and again', async () => {
  const { parts, events, end } = fakeMachine();
  const supervisor = supervise(parts(), 'start');
  const stopped = supervisor.stop({ force: false });
  await until(() => events.filter((event) => event === 'power button').length >= 3);
  assert.equal(supervisor.status().state, 'stopping');
  end('shutdown');
  await stopped;
  assert.equal(supervisor.status().state, 'stopped');
});

test('a guest that does not take the command gets the power button', async () => {
  const { parts, events, guest } = fakeMachine({ heedsPowerButton: true });
  guest.listens = true;
  const supervisor = supervise(parts(), 'start');
  await until(() => supervisor.status().state === 'running');
  await supervisor.stop({ force: false });
  assert.deepEqual(events, ['start', 'poweroff', 'power button']);
});

test('a guest that does not shut down in time is left running, and can be ended by force', async () => {
  const { parts, events, guest } = fakeMachine();
  guest.listens = true;
  const supervisor = supervise(parts(), 'start');
  await until(() => supervisor.status().state === 'running');
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

test('processes that end without a word are a failure', async () => {
  const { parts, end } = fakeMachine();
  const supervisor = supervise(parts(), 'start');
  await supervisor.started;
  end('killed');
  assert.equal(await supervisor.ended, 'failed');
  assert.equal(supervisor.status().state, 'failed');
});

test('leaving lets the machine live', async () => {
  const { parts, events, guest } = fakeMachine();
  guest.listens = true;
  const supervisor = supervise(parts(), 'start');
  await until(() => supervisor.status().state === 'running');
  await supervisor.leave();
  assert.equal(await supervisor.ended, 'left');
  assert.deepEqual(events, ['start', 'release']);
});

test('what ended stays ended', () => {
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

test('tries are frequent while a guest boots, and bounded for ever', () => {
  assert.equal(retryDelay(0), 200);
  assert.equal(retryDelay(119_999), 200);
  assert.equal(retryDelay(300_000), 3000);
  assert.equal(retryDelay(86_400_000), 5000);
});
