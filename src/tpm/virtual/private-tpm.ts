import { on, once } from 'node:events';
import { Duplex } from 'node:stream';
import { describe, failure } from '../../base/errors.ts';
import { start, started } from '../../base/process.ts';
import { hierarchyRequests } from '../codec/hierarchy-requests.ts';
import { Pieces } from '../codec/reassembly.ts';
import type { Ask } from '../codec/response.ts';
import { parseResponse, type Response } from '../codec/response.ts';
import { swtpmProgram, swtpmStateArguments, type TpmState } from './swtpm.ts';

/** The time limit for a TPM's seeds and first commands, in milliseconds. */
const workLimit = 30_000;

/**
 * Starts a machine's TPM while the machine is off, runs `work` with it, and ends it. It is on a socket pair: it has no other
 * user, ends with this process, and leaves the platform's authorization empty, as the firmware finds it.
 * @throws HoldfastError `process.missing` without swtpm, `tpm.make`.
 */
export async function withPrivateTpm<T>(state: TpmState, work: (ask: Ask) => Promise<T>): Promise<T> {
  const args = [
    ...swtpmStateArguments(state),
    ...['--fd', '3', '--terminate', '--flags', 'not-need-init,startup-clear'],
  ];
  const child = start(swtpmProgram, args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr?.on('data', (piece: Buffer) => {
    errors = (errors + piece.toString()).slice(-4096);
  });
  await started(child, swtpmProgram);
  const ended = once(child, 'exit');
  const timer = setTimeout(() => child.kill('SIGKILL'), workLimit);
  try {
    const connection = child.stdio[3];
    if (!(connection instanceof Duplex)) throw new TypeError('descriptor 3 is no socket');
    connection.on('error', () => {}); // the TPM may close it first
    const ask = (command: Buffer) => exchange(connection, command);
    const gone = ended.then(() => Promise.reject(new Error('it ended')));
    const result = await Promise.race([work(ask).finally(() => ask(hierarchyRequests.shutdown())), gone]);
    connection.end();
    await ended;
    return result;
  } catch (error) {
    child.kill('SIGKILL');
    throw failure('tpm.make', "cannot prepare the machine's TPM", {
      why: errors.trim() || describe(error),
      next: 'check that the package swtpm is completely installed and that the disk has free space; if its state is damaged, move `tpm` out of the directory of the machine',
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

async function exchange(connection: Duplex, command: Buffer): Promise<Response> {
  const pieces = new Pieces(swtpmProgram);
  connection.write(command);
  for await (const [piece] of on(connection, 'data')) {
    const response = pieces.add(piece as Buffer);
    if (response) return parseResponse(response);
  }
  throw new Error('it sent no response');
}
