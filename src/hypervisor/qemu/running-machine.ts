import { rm } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { z } from 'zod';
import { failure, HoldfastError } from '../../base/errors.ts';
import { isGone, isRunning, killProcess, type ProcessEntry, startTime } from '../../base/process-table.ts';
import { connectVsock } from '../../channel/vsock.ts';
import type { MachineEnd, RunningMachine } from '../hypervisor.ts';
import { networkDevice, readLaunch, vsockDevice } from './arguments.ts';
import type { Qmp, QmpEvent } from './qmp.ts';
import type { RunFiles } from './run-folder.ts';
import { ForwardedPort } from './tcp.ts';

/** The port of the guest's SSH server, over either transport. */
const sshPort = 22;

export interface MachineProcesses {
  readonly qemu: ProcessEntry;
  /** Absent over TCP, and when it died. */
  readonly vsock: ProcessEntry | undefined;
}

const shutdownEvent = z.object({ reason: z.string() });
const writeFailedEvent = z.object({ action: z.literal('stop') });

/** Hears QEMU's events, from the first on: QMP reference, `SHUTDOWN`, `ShutdownCause` and `BLOCK_IO_ERROR`. */
export class EventListener {
  /** Why QEMU ends, as far as it has said. */
  end: MachineEnd = 'killed';
  /** Called when the guest was paused because the host's disk is full. */
  onDiskFull = (): void => {};

  readonly onEvent = ({ name, data }: QmpEvent): void => {
    if (name === 'BLOCK_IO_ERROR' && writeFailedEvent.safeParse(data).success) this.onDiskFull();
    if (name !== 'SHUTDOWN') return;
    const reason = shutdownEvent.safeParse(data).data?.reason;
    if (reason === 'guest-shutdown') this.end = 'shutdown';
    else if (reason === 'guest-reset' || reason === 'host-qmp-system-reset') this.end = 'reboot';
  };
}

/** How long a guest rests whose write did not fit on the host's disk: milliseconds. */
const diskFullPause = 5000;

/** Lets a guest go on, now and then, that was paused for lack of space on the host: the write is tried again. */
async function resumeWhenDiskFull(qmp: Qmp, listener: EventListener): Promise<void> {
  const goOn = () => qmp.execute('cont', {}, z.object({})).catch(() => {}); // QEMU may be gone
  listener.onDiskFull = () => setTimeout(goOn, diskFullPause).unref();
  const { status } = await qmp.execute('query-status', {}, z.object({ status: z.string() }));
  if (status === 'io-error') listener.onDiskFull();
}

/** A machine by its processes and the control socket of its QEMU. */
export async function runningMachine(
  processes: MachineProcesses,
  qmp: Qmp,
  files: RunFiles,
  listener: EventListener,
): Promise<RunningMachine> {
  const { qemu, vsock } = processes;
  const { accelerator, port } = readLaunch(qemu.argv);
  const ended = Promise.withResolvers<MachineEnd>();
  const forwarded = port === undefined ? undefined : new ForwardedPort(port);
  let released = false;

  const watch = async () => {
    await qmp.closed;
    if (released) return;
    await isGone(qemu, Number.POSITIVE_INFINITY);
    if (vsock) await killProcess(vsock);
    await removeSockets(files);
    ended.resolve(listener.end);
  };
  watch().catch(ended.reject);
  await resumeWhenDiskFull(qmp, listener);
  ended.promise.catch(() => {}); // for those who do not wait for the end

  return {
    pid: qemu.pid,
    startedAt: await startTime(qemu),
    accelerator,
    port,
    ended: ended.promise,
    connect: async (): Promise<Duplex> => {
      if (forwarded) {
        if (await isInterfaceUp(qmp)) return forwarded.connect();
      } else {
        if (!vsock || !(await isRunning(vsock))) throw channelGone();
        if (await isVsockStarted(qmp)) return connectVsock(files.vsockHost, sshPort);
      }
      throw failure('channel.refused', 'the machine has not booted so far', {
        why: 'its kernel does not serve the channel yet',
        next: 'wait; the console log shows what it is doing',
      });
    },
    powerDown: async () => {
      await qmp.execute('system_powerdown', {}, z.object({}));
    },
    kill: async () => {
      await killProcess(qemu);
      await ended.promise;
    },
    release: () => {
      released = true;
      qmp.close();
    },
  };
}

/** Removes what processes left that are no more. */
export async function removeSockets(files: RunFiles): Promise<void> {
  for (const path of [files.qmp, files.vsockDevice, files.vsockHost]) await rm(path, { force: true });
}

const virtioStatus = z.object({ 'vhost-started': z.boolean() });

/**
 * Whether the guest's driver has the vsock device going. vhost-device-vsock 0.3.0 ends its worker, for good, when
 * somebody connects at the moment the device is between stopped and started; so it is not touched before.
 */
async function isVsockStarted(qmp: Qmp): Promise<boolean> {
  const path = `/machine/peripheral/${vsockDevice}/virtio-backend`;
  try {
    return (await qmp.execute('x-query-virtio-status', { path }, virtioStatus))['vhost-started'];
  } catch (error) {
    // experimental, so a QEMU may have done away with it
    if (error instanceof HoldfastError && error.code === 'qmp.refused') return true;
    throw error;
  }
}

const rxFilters = z.array(z.object({ 'multicast-table': z.array(z.string()) }));

/** Whether the guest has brought its network up: it then listens for groups, which the firmware's driver does not. */
async function isInterfaceUp(qmp: Qmp): Promise<boolean> {
  const filters = await qmp.execute('query-rx-filter', { name: networkDevice }, rxFilters);
  return filters.some((filter) => filter['multicast-table'].length > 0);
}

function channelGone(): HoldfastError {
  return failure('vsock.gone', 'the channel to the machine is lost until the machine is restarted', {
    why: 'vhost-device-vsock has ended, and QEMU cannot be given another',
    next: 'run `holdfast restart`',
  });
}
