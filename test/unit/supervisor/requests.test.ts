import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DiskExport } from '../../../src/hypervisor/hypervisor.ts';
import type { Connection } from '../../../src/supervisor/protocol/server.ts';
import { supervisorRequests } from '../../../src/supervisor/requests.ts';
import type { Supervisor } from '../../../src/supervisor/supervisor.ts';

test('the disk is served to one client at a time, in the order of the requests', async () => {
  const seen: string[] = [];
  let exports = 0;
  const exportDisk = async (): Promise<DiskExport> => {
    const number = ++exports;
    seen.push(`export ${number}`);
    return { socket: '/socket', name: 'disk', close: async () => void seen.push(`close ${number}`) };
  };
  const { handlers } = supervisorRequests({ exportDisk } as unknown as Supervisor);
  const client = () => {
    const end = new AbortController();
    const connection = { gone: end.signal, send: () => true } as unknown as Connection;
    return { end, served: handlers.disk?.({}, connection) };
  };
  const [first, second, third] = [client(), client(), client()];
  await new Promise(setImmediate);
  assert.deepEqual(seen, ['export 1']);
  second.end.abort(); // it would not wait
  first.end.abort();
  await Promise.all([first.served, second.served]);
  await new Promise(setImmediate);
  assert.deepEqual(seen, ['export 1', 'close 1', 'export 2']);
  third.end.abort();
  await third.served;
  assert.deepEqual(seen, ['export 1', 'close 1', 'export 2', 'close 2']);
});

test('a command on the management channel does not wait for a guest that is shutting down', {
  timeout: 5000,
}, async () => {
  const status = { state: 'stopping', channelProblem: undefined };
  const supervisor = { status: () => status, session: () => undefined } as unknown as Supervisor;
  const connection = {} as unknown as Connection;
  const request = { channel: 'management', argv: ['true'] };
  await assert.rejects(async () => supervisorRequests(supervisor).handlers.exec?.(request, connection), {
    code: 'machine.not-ready',
    why: 'it is stopping',
  });
});
