import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { ErrorCode } from '../../base/error-codes.ts';
import { type ErrorParts, failure, type HoldfastError, isFailure } from '../../base/errors.ts';
import { exists } from '../../base/files.ts';
import { findProgram } from '../../base/find-program.ts';
import { withSocket } from '../../base/private-socket.ts';
import { notInstalled } from '../../base/process.ts';
import { type ProcessEntry, readProcess } from '../../base/process-table.ts';
import { until } from '../../base/until.ts';
import { type Confinement, firstPassedDescriptor } from '../../sandbox/confined-command.ts';
import { type StartedProgram, startConfined } from '../../sandbox/start-confined.ts';
import { swtpmArguments, swtpmProgram, type TpmState } from '../../tpm/virtual/swtpm.ts';
import type { MachineHardware } from '../hypervisor.ts';
import { confinedQemu, confinedTpm, confinedVsockDaemon } from './confined-programs.ts';
import { platform } from './platforms.ts';
import { connectQmp, type Qmp, type QmpOptions } from './qmp.ts';
import type { RunFiles } from './run-directory.ts';
import { vsockArguments } from './vsock-daemon.ts';

/** The time limit until a process listens. A busy host starts QEMU in a second. */
const readyLimitMs = 20_000;

/** The parameters of a start that concern the host. */
export interface ProgramPlace {
  readonly hardware: MachineHardware;
  readonly files: RunFiles;
  readonly confinement: Confinement;
}

/** Starts vhost-device-vsock and waits until QEMU can connect to it. */
export async function startVsockDaemon(program: string, place: ProgramPlace): Promise<ProcessEntry> {
  const { files, confinement } = place;
  const args = vsockArguments({ device: files.vsockDevice, host: files.vsockHost });
  const started = await startConfined(
    { program, args, ...confinedVsockDaemon(files) },
    { confinement, log: files.vsockLog },
  );
  return whenReady(started, 'cannot open the channel to the machine', async () =>
    (await exists(files.vsockDevice)) ? true : undefined,
  ).then(({ entry }) => entry);
}

/** Starts the machine's TPM and waits until QEMU can connect to it. */
export async function startSwtpm(
  state: TpmState,
  { files, confinement }: ProgramPlace,
): Promise<ProcessEntry> {
  const key = await open(state.key, 'r'); // the TPM's user must not read the file
  try {
    const args = swtpmArguments(state, files.tpm, firstPassedDescriptor);
    const program = await installed(swtpmProgram);
    const started = await startConfined(
      { program, args, ...confinedTpm(state, files) },
      { confinement, log: files.tpmLog, passed: [key.fd] },
    );
    return await whenReady(started, "cannot start the machine's TPM", async () =>
      (await exists(files.tpm)) ? true : undefined,
    ).then(({ entry }) => entry);
  } finally {
    await key.close();
  }
}

/** Starts QEMU and waits until its control socket accepts commands. */
export async function startQemu(
  args: readonly string[],
  { hardware, files, confinement }: ProgramPlace,
  onEvent: QmpOptions['onEvent'],
): Promise<{ entry: ProcessEntry; qmp: Qmp }> {
  const program = await installed(platform.program);
  const started = await startConfined(
    { program, args, ...confinedQemu(hardware, files) },
    { confinement, log: files.qemuLog },
  );
  const { entry, ready: qmp } = await whenReady(started, 'QEMU cannot start the machine', async () => {
    try {
      return await withSocket(files.qmp, (path) => connectQmp(path, { onEvent }));
    } catch (error) {
      if (isFailure(error, 'qmp.unreachable', 'qmp.closed')) return undefined;
      throw error;
    }
  });
  return { entry, qmp };
}

/** @throws HoldfastError `process.missing`. */
async function installed(program: string): Promise<string> {
  const path = await findProgram(program);
  if (path === undefined) throw notInstalled(program);
  return path;
}

/** Waits until the program is ready. Kills it at the time limit. @throws HoldfastError why it is not ready. */
async function whenReady<T>(
  started: StartedProgram,
  what: string,
  ask: () => Promise<T | undefined>,
): Promise<{ entry: ProcessEntry; ready: T }> {
  try {
    const answer = await until({ within: readyLimitMs, every: 20 }, async () => {
      const ready = await ask();
      const pid = started.pid();
      const entry = pid === undefined ? undefined : await readProcess(pid);
      if (ready !== undefined && entry) return { entry, ready };
      if (started.hasEnded()) throw await startFailure(what, started.log);
      return undefined;
    });
    if (answer) return answer;
    throw failure('hypervisor.start', what, { why: `it was not ready within ${readyLimitMs / 1000} s` });
  } catch (error) {
    started.kill();
    throw error;
  }
}

/** QEMU's messages in cases that a user can fix. */
const knownFailures: readonly {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  readonly parts: ErrorParts;
}[] = [
  {
    pattern: /Failed to get .* lock/,
    code: 'hypervisor.disk-locked',
    parts: {
      why: 'another program has its disk open, such as a QEMU started by hand',
      next: 'end that program, and try again',
    },
  },
  {
    pattern: /Could not set up host forwarding rule/,
    code: 'hypervisor.port-taken',
    parts: { why: 'another program took the port that was free a moment ago', next: 'try again' },
  },
  {
    pattern: /annot allocate memory/,
    code: 'hypervisor.memory',
    parts: {
      why: 'the host does not have enough memory',
      next: 'end other programs, or reduce the memory of the machine',
    },
  },
];

/** QEMU prints its own name, then the option at fault, which can be longer than the reason. */
const prefixes = /^(?:[\w-]+: )?(?:-\w+ \S+: )?/;

async function startFailure(what: string, log: string): Promise<HoldfastError> {
  const output = (await readFile(log, 'utf8')).slice(-4096).trim();
  const known = knownFailures.find(({ pattern }) => pattern.test(output));
  if (known) return failure(known.code, what, { ...known.parts, cause: output });
  const lines = output.split('\n').slice(-3);
  return failure('hypervisor.start', what, {
    why: lines.map((line) => line.replace(prefixes, '')).join(' | ') || 'it printed no reason',
    next: 'run `holdfast doctor`; --debug shows the command line',
  });
}

/** Returns a port of the loopback interface that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw failure('hypervisor.port', 'no port is free');
  return address.port;
}
