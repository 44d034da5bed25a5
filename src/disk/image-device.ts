import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { start, started } from '../base/process.ts';
import type { BlockDevice } from './block-device.ts';
import { optionString, withScratch } from './image.ts';
import { connectNbd } from './nbd.ts';
import { nbdError } from './nbd-messages.ts';

/** How long qemu-nbd may take until it serves, and how often that is looked at: milliseconds. */
const servesWithin = 10_000;
const lookEvery = 20;

/**
 * `read`: also while a machine runs from the file; what the machine just writes may be half there.
 * `write`: of a machine that is off. QEMU's own lock keeps it from starting meanwhile.
 */
export type ImageAccess = 'read' | 'write';

/**
 * Opens the disk that a qcow2 file holds, for the time of `work`: served by qemu-nbd, which ends with its only client, and
 * with this process.
 * @throws HoldfastError `disk.device`, and what `work` throws.
 */
export function withImage<T>(
  path: string,
  access: ImageAccess,
  work: (disk: BlockDevice) => Promise<T>,
): Promise<T> {
  return withScratch(path, async (scratch) => {
    const socket = join(scratch, 'nbd');
    const image = { driver: 'qcow2', 'file.driver': 'file', 'file.filename': resolve(path) };
    const options = optionString({ ...image, ...optionsFor[access] });
    const flags = access === 'read' ? ['--read-only'] : [];
    const server = ['qemu-nbd', '--socket', socket, '--export-name', exportName, ...flags];
    const child = start('setpriv', ['--pdeathsig', 'KILL', ...server, '--image-opts', options], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-1000);
    });
    const ended = once(child, 'close');
    await started(child, 'setpriv');
    try {
      const disk = await connectWhenServed(
        socket,
        () => child.exitCode !== null,
        () => said,
      );
      try {
        return await work(disk);
      } finally {
        await disk.close();
      }
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    } finally {
      await ended; // it has let go of the file
    }
  });
}

const exportName = 'disk';

const optionsFor = {
  read: { 'force-share': 'on' },
  write: { discard: 'unmap', 'detect-zeroes': 'unmap' },
} as const;

async function connectWhenServed(
  socket: string,
  hasEnded: () => boolean,
  said: () => string,
): Promise<BlockDevice> {
  for (let waited = 0; ; waited += lookEvery) {
    try {
      return await connectNbd(socket, exportName);
    } catch (error) {
      if (hasEnded()) throw nbdError(said().trim().replaceAll('\n', '; ') || 'qemu-nbd ended');
      if (waited >= servesWithin) throw error;
    }
    await sleep(lookEvery);
  }
}
