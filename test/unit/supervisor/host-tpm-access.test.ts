import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MachineEnd, MachineRunner, RunningMachine } from '../../../src/hypervisor/hypervisor.ts';
import { TpmAccess, tpmPort } from '../../../src/supervisor/host-tpm-access.ts';

/** A hypervisor of machines in memory, which log their listeners. */
function fakeHypervisor(log: string[]) {
  let ended = Promise.withResolvers<MachineEnd>();
  let count = 0;
  const machine = (): RunningMachine => {
    const name = `machine ${++count}`;
    ended = Promise.withResolvers<MachineEnd>();
    const unused = () => Promise.reject(new Error('not used'));
    return {
      pid: count,
      startedAt: new Date(0),
      programs: [],
      lost: new Promise<string>(() => {}),
      askedToEnd: new Promise<void>(() => {}),
      restart: () => {},
      accelerator: 'fake',
      ended: ended.promise,
      listen: async (port) => {
        log.push(`${name} listens on ${port}`);
        return { close: async () => void log.push(`${name} listens no more`) };
      },
      connect: unused,
      powerDown: unused,
      exportDisk: unused,
      kill: unused,
      release: () => {},
    };
  };
  const hypervisor = {
    start: async () => machine(),
    adopt: async () => undefined,
  } as MachineRunner;
  return { hypervisor, end: () => ended.resolve('reboot') };
}

function start({ path }: { path: string | undefined }) {
  const log: string[] = [];
  const chosen = { path };
  const { hypervisor, end } = fakeHypervisor(log);
  const access = new TpmAccess(
    async () => chosen.path,
    '/nonexistent/tpm-sessions',
    (line) => log.push(line),
  );
  const through = access.through(hypervisor);
  const boot = async () => {
    await through.start({} as Parameters<MachineRunner['start']>[0]);
    await sleep(50);
  };
  return { access, boot, end, log, chosen, through };
}

test('the TPM is open from the start of a machine to its end, and again with the next', async () => {
  const { access, boot, end, log } = start({ path: '/dev/none' });
  await boot();
  end();
  await sleep(50);
  await boot();
  await access.close();
  assert.deepEqual(
    log,
    ['1', '2'].flatMap((machine) => [
      `machine ${machine} listens on ${tpmPort}`,
      '/dev/none open to the guest',
      `machine ${machine} listens no more`,
      '/dev/none closed to the guest',
    ]),
  );
});

test('access is closed unless configured, and follows changes of the configuration', async () => {
  const { access, boot, log, chosen } = start({ path: undefined });
  await access.refresh(); // before there is a machine
  await boot();
  assert.deepEqual(log, []);
  chosen.path = '/dev/none';
  await access.refresh();
  await access.refresh();
  assert.deepEqual(log, [`machine 1 listens on ${tpmPort}`, '/dev/none open to the guest']);
  chosen.path = '/dev/other';
  await access.refresh();
  assert.equal(log.at(-1), '/dev/other open to the guest');
  chosen.path = undefined;
  await access.refresh();
  assert.equal(log.at(-1), '/dev/other closed to the guest');
});

test('opens no access when no machine is found', async () => {
  const { through, log } = start({ path: '/dev/none' });
  assert.equal(await through.adopt({ run: '/none', consoleLog: '/none' }), undefined);
  await sleep(50);
  assert.deepEqual(log, []);
});
