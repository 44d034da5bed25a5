import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunResult, run, start } from '../../src/base/process.ts';
import { swtpmStateArguments } from '../../src/tpm/virtual/swtpm.ts';
import { virtualTpmState } from '../../src/tpm/virtual/virtual-tpm.ts';
import { eventually } from './eventually.ts';

/** A machine's own TPM as root in its guest has it. */
export interface MachineTpm {
  /** Runs a tool of tpm2-tools in the guest. Accepts any exit code. */
  tool(...words: readonly string[]): Promise<RunResult>;
}

const anyCode = Array.from({ length: 256 }, (_, code) => code);

/**
 * Starts the TPM of a machine as its firmware does, which gives the platform an authorization that nobody knows, runs `work`
 * with it, and kills it, as the end of a machine does.
 * @param directory of the TPM; files of the tools go next to it.
 */
export async function asGuest<T>(directory: string, work: (tpm: MachineTpm) => Promise<T>): Promise<T> {
  const socket = `${directory}.sock`;
  const args = [
    ...swtpmStateArguments(virtualTpmState(directory)),
    ...['--server', `type=unixio,path=${socket}`, '--flags', 'not-need-init,startup-clear'],
  ];
  const child = start('swtpm', args, { stdio: 'ignore' });
  const exited = once(child, 'exit');
  try {
    await eventually(() => existsSync(socket), { within: 30_000, what: 'the socket of swtpm' });
    const env = {
      ...process.env,
      TPM2TOOLS_TCTI: `cmd:socat - UNIX-CONNECT:${socket}`,
      TSS2_LOG: 'all+none',
    };
    const tool = (...[program = '', ...words]: readonly string[]) =>
      run(program, words, { cwd: join(directory, '..'), env, accept: anyCode, timeoutMs: 60_000 });
    await tool('tpm2_changeauth', '-c', 'p', 'random');
    return await work({ tool });
  } finally {
    child.kill('SIGKILL');
    await exited;
    await rm(socket, { force: true });
  }
}
