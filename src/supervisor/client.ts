import { z } from 'zod';
import { isFailure } from '../base/errors.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import { connectNbd } from '../disk/nbd.ts';
import { ask, hold } from './protocol/client.ts';
import { protocolError } from './protocol/frames.ts';
import { machineStates } from './state.ts';
import type { SupervisorStatus } from './supervisor.ts';

const status = z.object({
  state: z.enum(machineStates),
  pid: z.int().positive().optional(),
  startedAt: z.iso
    .datetime()
    .transform((text) => new Date(text))
    .optional(),
  accelerator: z.string().optional(),
  channelProblem: z.string().optional(),
  problem: z.string().optional(),
});

/** What the supervisor says, or undefined when there is none. @throws what `ask` throws. */
export async function askStatus(socket: string): Promise<SupervisorStatus | undefined> {
  const reply = await askIfThere(socket, { verb: 'status' });
  if (reply === undefined) return undefined;
  const parsed = status.safeParse(reply);
  if (parsed.success) return parsed.data;
  throw protocolError('its status has another form');
}

/**
 * Waits until the supervisor has started its machine; false when there is no supervisor.
 * @throws HoldfastError why it could not be started.
 */
export async function askStarted(socket: string): Promise<boolean> {
  return (await askIfThere(socket, { verb: 'started' })) !== undefined;
}

/**
 * Waits until the supervisor has shut its machine down; false when there is no supervisor.
 * @throws HoldfastError `machine.stop-timeout`.
 */
export async function askStop(socket: string, force: boolean): Promise<boolean> {
  return (await askIfThere(socket, { verb: 'stop', force })) !== undefined;
}

/** Makes the supervisor open or close the host's TPM to its guest, as the configuration now says; false when there is none. */
export async function askTpm(socket: string): Promise<boolean> {
  return (await askIfThere(socket, { verb: 'tpm' })) !== undefined;
}

/** Makes the supervisor end and its machine live on; false when there is no supervisor. */
export async function askLeave(socket: string): Promise<boolean> {
  return (await askIfThere(socket, { verb: 'leave' })) !== undefined;
}

const exported = z.object({ socket: z.string(), name: z.string() });

/**
 * Opens the disk of a machine that runs, beside its guest, for the time of `work`.
 * @throws HoldfastError `supervisor.absent`, `machine.not-running`, `disk.device`, and what `work` throws.
 */
export async function withDisk<T>(socketPath: string, work: (disk: BlockDevice) => Promise<T>): Promise<T> {
  const { reply, release } = await hold(socketPath, { verb: 'disk' });
  try {
    const parsed = exported.safeParse(reply);
    if (!parsed.success) throw protocolError('the answer about its disk has another form');
    const disk = await connectNbd(parsed.data.socket, parsed.data.name);
    try {
      return await work(disk);
    } finally {
      await disk.close();
    }
  } finally {
    release();
  }
}

/** The reply, which may be null, or undefined when nobody serves the socket. */
async function askIfThere(socket: string, request: Parameters<typeof ask>[1]): Promise<unknown> {
  try {
    return await ask(socket, request);
  } catch (error) {
    if (isFailure(error, 'supervisor.absent')) return undefined;
    throw error;
  }
}
