import { rm } from 'node:fs/promises';
import * as z from 'zod';
import { isFailure } from '../../base/errors.ts';
import type { DiskExport } from '../hypervisor.ts';
import { diskNode } from './arguments.ts';
import type { Qmp } from './qmp.ts';

const done = z.object({});

/**
 * Makes QEMU serve its machine's disk over NBD (QMP reference, `block-export-add`). One export at a time: one left by an
 * earlier supervisor is ended first.
 * @param socket in a private directory.
 * @throws HoldfastError those of `Qmp.execute`.
 */
export async function exportDisk(qmp: Qmp, socket: string): Promise<DiskExport> {
  await stopServer(qmp);
  await rm(socket, { force: true });
  const addr = { type: 'unix', data: { path: socket } };
  await qmp.execute('nbd-server-start', { addr, 'max-connections': 1 }, done);
  const name = diskNode;
  try {
    const shape = { type: 'nbd', id: name, name, 'node-name': diskNode, writable: true };
    await qmp.execute('block-export-add', shape, done);
  } catch (error) {
    await stopServer(qmp);
    throw error;
  }
  return { socket, name, close: () => stopServer(qmp) };
}

/** Stops the server with its exports and clients. No-op without a server, or when QEMU has ended. */
async function stopServer(qmp: Qmp): Promise<void> {
  try {
    await qmp.execute('nbd-server-stop', {}, done);
  } catch (error) {
    if (isFailure(error, 'qmp.refused', 'qmp.closed')) return;
    throw error;
  }
}
