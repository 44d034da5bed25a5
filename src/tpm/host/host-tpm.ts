import { type FileHandle, open, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { describe, failure, type HoldfastError, isSystemError } from '../../base/errors.ts';
import { longestMessage } from '../codec/message.ts';
import { Pieces } from '../codec/reassembly.ts';

/** The TPM of a host through Linux' resource manager, which isolates its users. */
export const defaultHostTpm = '/dev/tpmrm0';

/** One user's connection to the host's TPM. The caller awaits each response before the next command. */
export interface TpmConnection {
  /** True when objects are private to the connection and end with it. */
  readonly isIsolated: boolean;
  /**
   * Sends a command and returns its complete response.
   * @throws HoldfastError `tpm.silent` after `timeoutMs`, `tpm.lost`, `tpm.malformed`.
   */
  transmit(command: Buffer, timeoutMs: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** The host's TPM: a character device with a resource manager, or the UNIX socket of a swtpm. */
export interface HostTpm {
  /** @throws HoldfastError `tpm.absent` when it does not exist or cannot be opened. */
  open(): Promise<TpmConnection>;
}

export function hostTpm(path: string): HostTpm {
  /** Commands without a response in time. A device that hangs gets no other command before it responds. */
  const stuck = new Set<Promise<unknown>>();
  return {
    async open() {
      try {
        const found = await stat(path);
        if (found.isSocket()) return overSocket(path);
        if (!found.isCharacterDevice()) throw absent(path, 'it is neither a device nor a socket');
        if (stuck.size > 0) throw silent(path, 'an earlier command has no response yet');
        return overDevice(await open(path, 'r+'), path, stuck);
      } catch (error) {
        if (isSystemError(error, 'ENOENT')) throw absent(path, 'it does not exist', error);
        if (isSystemError(error, 'EACCES')) throw absent(path, 'this user may not open it', error);
        throw error;
      }
    },
  };
}

/**
 * Returns a connection to a device, which takes a command in one write and returns the response to the next
 * read, and both block: Linux, Documentation/security/tpm. A read that hangs cannot be cancelled, so the file
 * is closed when it returns.
 */
function overDevice(file: FileHandle, path: string, stuck: Set<Promise<unknown>>): TpmConnection {
  const exchange = async (command: Buffer) => {
    await file.write(command);
    const pieces = new Pieces(path);
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(longestMessage), 0, longestMessage, null);
      if (bytesRead === 0) throw lost(path, 'it returned no data');
      const response = pieces.add(buffer.subarray(0, bytesRead));
      if (response) return response;
    }
  };
  return {
    isIsolated: true,
    async transmit(command, timeoutMs) {
      if (stuck.size > 0) throw silent(path, 'an earlier command has no response yet');
      const work = exchange(command).catch((error: unknown) => {
        throw error instanceof Error && 'syscall' in error ? lost(path, describe(error)) : error;
      });
      try {
        return await inTime(work, timeoutMs, path);
      } catch (error) {
        stuck.add(work);
        const forget = () => stuck.delete(work);
        work.then(forget, forget);
        throw error;
      }
    },
    close: async () => {
      // Node closes it once no read is in progress
      file.close().catch(() => {});
    },
  };
}

/**
 * Returns a connection to a swtpm, which serves one at a time and makes others wait: so each command has a
 * connection of its own.
 */
function overSocket(path: string): TpmConnection {
  return {
    isIsolated: false,
    async transmit(command, timeoutMs) {
      const socket = connect(path);
      try {
        const work = new Promise<Buffer>((resolve, reject) => {
          const pieces = new Pieces(path);
          socket.on('error', (error) => reject(lost(path, describe(error))));
          socket.on('close', () => reject(lost(path, 'it closed the connection')));
          socket.on('data', (piece: Buffer) => {
            try {
              const response = pieces.add(piece);
              if (response) resolve(response);
            } catch (error) {
              reject(error);
            }
          });
          socket.write(command);
        });
        return await inTime(work, timeoutMs, path);
      } finally {
        socket.destroy();
      }
    },
    close: async () => {},
  };
}

async function inTime(work: Promise<Buffer>, timeoutMs: number, path: string): Promise<Buffer> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(silent(path, `no response within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function absent(path: string, why: string, cause?: unknown): HoldfastError {
  return failure('tpm.absent', `cannot use the host's TPM ${path}`, {
    why,
    next: 'check that this host has a TPM 2.0, and that this user is in the group tss',
    cause,
  });
}

function silent(path: string, why: string): HoldfastError {
  return failure('tpm.silent', `the host's TPM ${path} does not respond`, {
    why,
    next: 'check whether other programs can use it; the kernel log may contain more',
  });
}

function lost(path: string, why: string): HoldfastError {
  return failure('tpm.lost', `the host's TPM ${path} sent no response`, {
    why,
    next: 'check whether it still exists',
  });
}
