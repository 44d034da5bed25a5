import { lchown } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import * as z from 'zod';
import { failure, isFailure } from '../../base/errors.ts';
import { withSocket } from '../../base/private-socket.ts';
import { isGone, killProcess, type ProcessEntry, startTime } from '../../base/process-table.ts';
import { type ChannelName, channels } from '../../channel/channels.ts';
import { connectVsock, hostPortSocket, listenVsock } from '../../channel/vsock.ts';
import { swtpmProgram } from '../../tpm/virtual/swtpm.ts';
import type { Listener, MachineEnd, RunningMachine } from '../hypervisor.ts';
import { type ForwardedPorts, networkDevice, readLaunch, vsockDevice } from './arguments.ts';
import { watchLogs } from './console-log.ts';
import { exportDisk } from './disk-export.ts';
import type { GuestEvents } from './guest-events.ts';
import { type FoundProgram, MachinePrograms } from './machine-programs.ts';
import type { Qmp } from './qmp.ts';
import { watchResolver } from './resolver.ts';
import { type RunFiles, removeSockets } from './run-directory.ts';
import { ForwardedPort } from './tcp.ts';
import { daemonState, notBooted, VsockChannel } from './vsock-channel.ts';
import { vsockProgram } from './vsock-daemon.ts';

/** The time limit for the TPM to end after QEMU, in milliseconds. It writes its state before each response, so nothing is lost. */
const tpmLimit = 2000;

/** The parts of a running machine. */
export interface MachineParts {
  readonly qemu: ProcessEntry;
  /** vhost-device-vsock; absent over TCP, and when it has ended. */
  readonly vsock: ProcessEntry | undefined;
  /** The machine's TPM; absent when it has none, and when it has ended. */
  readonly tpm: ProcessEntry | undefined;
  readonly qmp: Qmp;
  readonly events: GuestEvents;
  readonly files: RunFiles;
  readonly consoleLog: string;
  /** True for a machine that was just started: a restart cannot harm anything in the guest. */
  readonly isNew: boolean;
}

/** Returns the machine with these processes and this control socket. */
export async function runningMachine(parts: MachineParts): Promise<RunningMachine> {
  const { qemu, vsock, tpm, qmp, events, files } = parts;
  const { accelerator, ports } = readLaunch(qemu.argv);
  const ended = Promise.withResolvers<MachineEnd>();
  const programs = await MachinePrograms.watch(qemu, helpersOf(parts));
  const connect = ports === undefined ? vsockConnector(parts, programs) : tcpConnector(qmp, ports);
  const unwatch = [watchLogs(parts.consoleLog, files), watchResolver(files.etc)];
  let released = false;

  const watch = async () => {
    await qmp.closed;
    for (const end of unwatch) end();
    programs.close();
    if (released) return;
    await isGone(qemu, Number.POSITIVE_INFINITY);
    if (vsock) await killProcess(vsock);
    if (tpm && !(await isGone(tpm, tpmLimit))) await killProcess(tpm);
    await removeSockets(files);
    ended.resolve(events.end);
  };
  watch().catch(ended.reject);
  ended.promise.catch(() => {}); // not every caller awaits it
  await events.attend(qmp);

  return {
    pid: qemu.pid,
    startedAt: await startTime(qemu),
    accelerator,
    get programs() {
      return programs.programs;
    },
    lost: programs.lost,
    askedToEnd: programs.askedToEnd,
    ended: ended.promise,
    connect,
    listen: async (guestPort, take) => {
      if (vsock) return listenForDaemon(vsock, files, guestPort, take);
      throw failure('channel.no-vsock', 'the machine cannot open connections to the host', {
        why: 'it has no vsock',
        next: 'deploy it without --transport tcp; if it has lost its vsock, run `holdfast restart`',
      });
    },
    powerDown: async () => {
      await qmp.execute('system_powerdown', {}, z.object({}));
    },
    restart: () => events.restart(() => void killProcess(qemu).catch(() => {})),
    exportDisk: () => exportDisk(qmp, files.disk),
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

/** Returns the helpers that QEMU's argv requires. */
function helpersOf({ qemu, vsock, tpm }: MachineParts): readonly FoundProgram[] {
  const { ports, hasTpm } = readLaunch(qemu.argv);
  return [
    ...(ports === undefined ? [{ program: vsockProgram, entry: vsock }] : []),
    ...(hasTpm ? [{ program: swtpmProgram, entry: tpm }] : []),
  ];
}

type Connect = RunningMachine['connect'];

/** Serves a vsock port of the host; the daemon, which connects, may have a user of its own. */
async function listenForDaemon(
  { user }: ProcessEntry,
  { vsockHost }: RunFiles,
  port: number,
  take: (stream: Duplex) => void,
): Promise<Listener> {
  const listener = await listenVsock(vsockHost, port, take);
  // its directory is the daemon's: no link is followed
  if (user !== process.getuid?.()) await lchown(hostPortSocket(vsockHost, port), user, user);
  return listener;
}

function vsockConnector({ qmp, vsock, files, isNew }: MachineParts, programs: MachinePrograms): Connect {
  const channel = new VsockChannel({
    isStarted: () => isVsockStarted(qmp),
    daemon: () => daemonState(vsock),
    open: (port) => withSocket(files.vsockHost, (path) => connectVsock(path, port)),
    now: () => performance.now(),
  });
  let wasReached = !isNew;
  return async (name) => {
    try {
      const stream = await channel.connect(channels[name].port);
      wasReached = true;
      return stream;
    } catch (error) {
      // during boot nothing uses it: start it again
      if (isFailure(error, 'vsock.gone') && !wasReached) programs.lose(vsockProgram);
      throw error;
    }
  };
}

const virtioStatus = z.object({ 'vhost-started': z.boolean() });

async function isVsockStarted(qmp: Qmp): Promise<boolean> {
  const path = `/machine/peripheral/${vsockDevice}/virtio-backend`;
  try {
    return (await qmp.execute('x-query-virtio-status', { path }, virtioStatus))['vhost-started'];
  } catch (error) {
    // experimental: other versions of QEMU may lack it
    if (isFailure(error, 'qmp.refused')) return true;
    throw error;
  }
}

function tcpConnector(qmp: Qmp, ports: Partial<ForwardedPorts>): Connect {
  const forwarded = new Map<ChannelName, ForwardedPort>();
  return async (name) => {
    if (!(await isInterfaceUp(qmp))) throw notBooted();
    const port = forwarded.get(name) ?? forwardedPort(ports, name);
    forwarded.set(name, port);
    return port.connect();
  };
}

/** @throws HoldfastError `channel.refused` for a machine that an earlier version of Holdfast started. */
function forwardedPort(ports: Partial<ForwardedPorts>, name: ChannelName): ForwardedPort {
  const port = ports[name];
  if (port !== undefined) return new ForwardedPort(port);
  throw failure('channel.refused', `the machine was started without a port for its ${name} channel`, {
    why: 'an earlier version of Holdfast started it',
    next: 'run `holdfast restart`',
  });
}

const rxFilters = z.array(z.object({ 'multicast-table': z.array(z.string()) }));

/** Returns whether the guest's network is up: it then joins multicast groups, which the firmware's driver does not. */
async function isInterfaceUp(qmp: Qmp): Promise<boolean> {
  const filters = await qmp.execute('query-rx-filter', { name: networkDevice }, rxFilters);
  return filters.some((filter) => filter['multicast-table'].length > 0);
}
