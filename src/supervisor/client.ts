import * as z from 'zod';
import { isFailure } from '../base/errors.ts';
import { withSocket } from '../base/private-socket.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import { connectNbd } from '../disk/nbd.ts';
import type { Machine } from '../machine/machine.ts';
import { protections } from '../sandbox/protection.ts';
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
  // absent from a supervisor of an earlier version
  programs: z
    .array(
      z.object({
        program: z.string(),
        pid: z.int().positive().optional(),
        isStopped: z.literal(true).optional(),
        missing: z.array(z.enum(protections)),
      }),
    )
    .transform((list) => list.map(({ pid, ...others }) => ({ ...others, pid })))
    .optional(),
  channelProblem: z.string().optional(),
  problem: z.string().optional(),
  endsWith: z.string().optional(),
});

/**
 * Returns the status that the supervisor reports, or undefined when there is no supervisor, or it ends at this moment.
 * @throws those of `ask`.
 */
export async function askStatus(machine: Machine): Promise<SupervisorStatus | undefined> {
  const reply = await askIfThere(machine, { verb: 'status' }).catch((error: unknown) => {
    if (isFailure(error, 'supervisor.lost')) return undefined;
    throw error;
  });
  if (reply === undefined) return undefined;
  const parsed = status.safeParse(reply);
  if (parsed.success) return parsed.data;
  throw protocolError('its status is malformed');
}

/**
 * Waits until the supervisor has started its machine.
 * @returns false when there is no supervisor.
 * @throws HoldfastError the reason why it could not be started.
 */
export async function askStarted(machine: Machine): Promise<boolean> {
  return (await askIfThere(machine, { verb: 'started' })) !== undefined;
}

/**
 * Waits until the supervisor has shut its machine down.
 * @returns false when there is no supervisor.
 * @throws HoldfastError `machine.stop-timeout`.
 */
export async function askStop(machine: Machine, force: boolean): Promise<boolean> {
  return (await askIfThere(machine, { verb: 'stop', force })) !== undefined;
}

/** Applies the configured access to the host's TPM to a running machine. Returns false when there is no supervisor. */
export async function askTpm(machine: Machine): Promise<boolean> {
  return (await askIfThere(machine, { verb: 'tpm' })) !== undefined;
}

/** Ends the supervisor and leaves its machine running. Returns false when there is no supervisor. */
export async function askLeave(machine: Machine): Promise<boolean> {
  return (await askIfThere(machine, { verb: 'leave' })) !== undefined;
}

const exported = z.object({ socket: z.string(), name: z.string() });

/**
 * Opens the disk of a running machine, next to its guest, while `work` runs.
 * @throws HoldfastError `supervisor.absent`, `machine.not-running`, `disk.device`, and what `work` throws.
 */
export async function withDisk<T>(machine: Machine, work: (disk: BlockDevice) => Promise<T>): Promise<T> {
  const { reply, release } = await hold(machine.paths.supervisorSocket, { verb: 'disk' });
  try {
    const parsed = exported.safeParse(reply);
    if (!parsed.success) throw protocolError('the answer about its disk is malformed');
    const { socket, name } = parsed.data;
    const disk = await withSocket(socket, (path) => connectNbd(path, name));
    try {
      return await work(disk);
    } finally {
      await disk.close();
    }
  } finally {
    release();
  }
}

/** Returns the reply, which may be null, or undefined when there is no supervisor. */
async function askIfThere({ paths }: Machine, request: Parameters<typeof ask>[1]): Promise<unknown> {
  try {
    return await ask(paths.supervisorSocket, request);
  } catch (error) {
    if (isFailure(error, 'supervisor.absent')) return undefined;
    throw error;
  }
}
