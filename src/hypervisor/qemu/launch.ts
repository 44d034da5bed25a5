import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { ErrorCode } from '../../base/error-codes.ts';
import { type ErrorParts, failure, type HoldfastError, isFailure } from '../../base/errors.ts';
import { exists } from '../../base/files.ts';
import { start, started } from '../../base/process.ts';
import { type ProcessEntry, readProcess } from '../../base/process-table.ts';
import { until } from '../../base/until.ts';
import { swtpmArguments, swtpmProgram, type TpmState } from '../../tpm/virtual/swtpm.ts';
import { platform } from './platforms.ts';
import { connectQmp, type Qmp, type QmpOptions } from './qmp.ts';
import type { RunFiles } from './run-directory.ts';
import { vsockArguments } from './vsock-daemon.ts';

/** The time limit until a process listens. A busy host starts QEMU in a second. */
const readyLimitMs = 20_000;

/** Starts vhost-device-vsock and waits until QEMU can connect to it. */
export async function startVsockDaemon(program: string, files: RunFiles): Promise<ProcessEntry> {
  const args = vsockArguments({ device: files.vsockDevice, host: files.vsockHost });
  const child = await startDetached(program, args, files.vsockLog);
  return whenReady(child, files.vsockLog, 'cannot open the channel to the machine', async () =>
    (await exists(files.vsockDevice)) ? true : undefined,
  ).then(({ entry }) => entry);
}

/** Starts the machine's TPM and waits until QEMU can connect to it. */
export async function startSwtpm(state: TpmState, files: RunFiles): Promise<ProcessEntry> {
  const child = await startDetached(swtpmProgram, swtpmArguments(state, files.tpm), files.tpmLog);
  return whenReady(child, files.tpmLog, "cannot start the machine's TPM", async () =>
    (await exists(files.tpm)) ? true : undefined,
  ).then(({ entry }) => entry);
}

/** Starts QEMU and waits until its control socket accepts commands. */
export async function startQemu(
  args: readonly string[],
  files: RunFiles,
  onEvent: QmpOptions['onEvent'],
): Promise<{ entry: ProcessEntry; qmp: Qmp }> {
  const child = await startDetached(platform.program, args, files.qemuLog);
  const { entry, ready: qmp } = await whenReady(
    child,
    files.qemuLog,
    'QEMU cannot start the machine',
    async () => {
      try {
        return await connectQmp(files.qmp, { onEvent });
      } catch (error) {
        if (isFailure(error, 'qmp.unreachable', 'qmp.closed')) return undefined;
        throw error;
      }
    },
  );
  return { entry, qmp };
}

/** Starts a program in a session of its own, with its output in a file: it outlives this process and its terminal. */
async function startDetached(program: string, args: readonly string[], log: string): Promise<ChildProcess> {
  await rm(log, { force: true });
  const output = await open(log, 'a', 0o600);
  try {
    const child = start(program, args, { stdio: ['ignore', output.fd, output.fd], detached: true });
    await started(child, program);
    child.unref();
    return child;
  } finally {
    await output.close();
  }
}

/** Waits until the process is ready. Kills it at the time limit. @throws HoldfastError why it is not ready. */
async function whenReady<T>(
  child: ChildProcess,
  log: string,
  what: string,
  ask: () => Promise<T | undefined>,
): Promise<{ entry: ProcessEntry; ready: T }> {
  try {
    const answer = await until({ within: readyLimitMs, every: 20 }, async () => {
      const ready = await ask();
      const entry = child.pid === undefined ? undefined : await readProcess(child.pid);
      if (ready !== undefined && entry) return { entry, ready };
      if (child.exitCode !== null || child.signalCode !== null) throw await startFailure(what, log);
      return undefined;
    });
    if (answer) return answer;
    throw failure('hypervisor.start', what, { why: `it was not ready within ${readyLimitMs / 1000} s` });
  } catch (error) {
    child.kill('SIGKILL');
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
