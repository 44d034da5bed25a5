import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Machine } from '../../../src/machine/machine.ts';
import { askStarted, askStatus } from '../../../src/supervisor/client.ts';
import { serve } from '../../../src/supervisor/protocol/server.ts';

test('a supervisor that ends while it is asked has no status, and other requests say that they are lost', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-client-'));
  const supervisorSocket = join(directory, 'supervisor.sock');
  const machine = { paths: { supervisorSocket } } as unknown as Machine;
  const end = async () => {
    await server.close();
  };
  let server = await serve(supervisorSocket, { status: end });
  try {
    assert.equal(await askStatus(machine), undefined);
    server = await serve(supervisorSocket, { started: end });
    await assert.rejects(askStarted(machine), { code: 'supervisor.lost' });
    assert.equal(await askStatus(machine), undefined, 'there is none');
  } finally {
    await rm(directory, { recursive: true });
  }
});
