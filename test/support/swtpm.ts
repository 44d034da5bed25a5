import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunResult, run, start } from '../../src/base/process.ts';
import { listenVsock } from '../../src/channel/vsock.ts';
import { Broker, type BrokerOptions } from '../../src/tpm/broker/broker.ts';
import { hostTpm } from '../../src/tpm/host/host-tpm.ts';
import { eventually } from './eventually.ts';

/** A software TPM as the host's TPM. */
export interface Swtpm {
  readonly directory: string;
  readonly socket: string;
  /** Runs a tool of tpm2-tools as the host, directly on the TPM. Accepts any exit code. */
  tool(...words: string[]): Promise<RunResult>;
  start(): Promise<void>;
  /** Makes the TPM hang until it is resumed. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
  /** Stops it and removes its directory. */
  remove(): Promise<void>;
}

export async function startSwtpm(): Promise<Swtpm> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-tpm-'));
  const socket = join(directory, 'tpm.sock');
  await mkdir(join(directory, 'state'));
  let child: ChildProcess | undefined;
  const swtpm: Swtpm = {
    directory,
    socket,
    tool: (...words) => runTool(directory, socket, words),
    start: async () => {
      const server = ['--server', `type=unixio,path=${socket}`];
      const state = ['--tpmstate', `dir=${join(directory, 'state')}`];
      const flags = ['--flags', 'not-need-init,startup-clear'];
      child = start('swtpm', ['socket', '--tpm2', ...state, ...server, ...flags], { stdio: 'ignore' });
      await eventually(() => existsSync(socket), { within: 30_000, what: 'the socket of swtpm' });
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    stop: async () => {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGCONT');
      // an orderly shutdown: a TPM counts an interruption as an attack
      await swtpm.tool('tpm2_shutdown');
      child.kill('SIGTERM');
      await exited;
      await rm(socket, { force: true });
    },
    remove: async () => {
      await swtpm.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
  await swtpm.start();
  return swtpm;
}

/** A guest as the broker sees it: connections to the socket of port 2321. */
export interface FakeGuest {
  readonly socket: string;
  /** The broker's log. */
  readonly log: string[];
  /** Runs a tool of tpm2-tools as the guest, through the broker. Accepts any exit code. */
  tool(...words: string[]): Promise<RunResult>;
  /** Ends the guest and its broker. */
  end(): Promise<void>;
}

export async function startFakeGuest(
  swtpm: Pick<Swtpm, 'directory'>,
  name: string,
  tpm: string,
  options: Partial<BrokerOptions> = {},
): Promise<FakeGuest> {
  const directory = join(swtpm.directory, name);
  await mkdir(directory);
  const log: string[] = [];
  const broker = new Broker({ tpm: hostTpm(tpm), log: (line) => log.push(line), ...options });
  const vsock = join(directory, 'vsock.sock');
  const listener = await listenVsock(vsock, 2321, (stream) => broker.accept(stream));
  const socket = `${vsock}_2321`;
  return {
    socket,
    log,
    tool: (...words) => runTool(directory, socket, words),
    end: async () => {
      await listener.close();
      await broker.close();
    },
  };
}

const anyCode = Array.from({ length: 256 }, (_, code) => code);

function runTool(
  cwd: string,
  socket: string,
  [program = '', ...args]: readonly string[],
): Promise<RunResult> {
  const env = { ...process.env, TPM2TOOLS_TCTI: `cmd:socat - UNIX-CONNECT:${socket}`, TSS2_LOG: 'all+none' };
  return run(program, args, { cwd, env, accept: anyCode, timeoutMs: 60_000 });
}
