import { randomBytes } from 'node:crypto';
import { on, once } from 'node:events';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Duplex } from 'node:stream';
import { describe, failure } from '../../base/errors.ts';
import { exists, syncDirectory } from '../../base/files.ts';
import { start, started } from '../../base/process.ts';
import { Pieces } from '../codec/reassembly.ts';
import { readBody, requests } from '../codec/requests.ts';
import type { Ask } from '../codec/response.ts';
import { parseResponse, type Response } from '../codec/response.ts';
import { makeAttestationKey } from './attestation-key.ts';
import { swtpmProgram, swtpmStateArguments, type TpmState } from './swtpm.ts';

/** The time limit for a new TPM's seeds and first commands, in milliseconds. */
const makeLimit = 30_000;

/** Returns the state of a machine's own TPM, in its directory. */
export function virtualTpmState(directory: string): TpmState {
  return { directory: join(directory, 'state'), key: join(directory, 'key') };
}

/**
 * Returns the path of the public half of the key that the TPM quotes with: PEM. The host read it before any
 * guest could access the TPM.
 */
export function attestationKeyFile(directory: string): string {
  return join(directory, 'attestation-key.pem');
}

/**
 * Makes the TPM of a machine, unless it exists: its key, its seeds, one bank of PCRs, and the key that it quotes with. It is
 * made in a temporary directory and moved as the last step.
 * @returns false when it exists.
 * @throws HoldfastError `process.missing` without swtpm, `tpm.make`.
 */
export async function makeVirtualTpm(directory: string): Promise<boolean> {
  if (await exists(directory)) return false;
  const draft = `${directory}.new`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  const state = virtualTpmState(draft);
  await mkdir(state.directory, { mode: 0o700 });
  await writeFile(state.key, randomBytes(32).toString('hex'), { mode: 0o600, flush: true });
  const attestationKey = await withTpm(state, async (ask) => {
    readBody(await ask(requests.allocateSha256()), 'its PCR banks', (reader) => {
      reader.u32(); // the size of the parameters
      if (reader.u8() !== 1) throw new Error('it rejected the banks');
    });
    return makeAttestationKey(ask);
  });
  await writeFile(attestationKeyFile(draft), attestationKey, { flush: true });
  await rename(draft, directory);
  await syncDirectory(dirname(directory));
  return true;
}

/** Starts the TPM on a socket pair, so that it ends with this process, and runs `work` with it. */
async function withTpm<T>(state: TpmState, work: (ask: Ask) => Promise<T>): Promise<T> {
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
  const timer = setTimeout(() => child.kill('SIGKILL'), makeLimit);
  try {
    const connection = child.stdio[3];
    if (!(connection instanceof Duplex)) throw new TypeError('descriptor 3 is no socket');
    const gone = ended.then(() => Promise.reject(new Error('it ended')));
    const result = await Promise.race([work((command) => exchange(connection, command)), gone]);
    connection.end();
    await ended;
    return result;
  } catch (error) {
    child.kill('SIGKILL');
    throw failure('tpm.make', "cannot create the machine's TPM", {
      why: errors.trim() || describe(error),
      next: 'check that the package swtpm is completely installed and that the disk has free space',
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
