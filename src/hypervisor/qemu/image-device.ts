import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { start, started } from '../../base/process.ts';
import { until } from '../../base/until.ts';
import type { BlockDevice } from '../../disk/block-device.ts';
import type { ImageAccess } from '../../disk/image.ts';
import { connectNbd } from '../../disk/nbd.ts';
import { nbdError } from '../../disk/nbd-messages.ts';
import { withScratch } from '../../disk/scratch.ts';
import { optionList } from './arguments.ts';

/** How long qemu-nbd may take until it serves, and the pause between two attempts to connect: milliseconds. */
const served = { within: 10_000, every: 20 };

/**
 * Runs `work` with the disk in a qcow2 file, served by qemu-nbd. The server exits with its only client, and is killed when
 * this process ends. Its lock on the file prevents a machine from starting while it writes.
 * @throws HoldfastError `disk.device`, and errors of `work`.
 */
export function withImage<T>(
  path: string,
  access: ImageAccess,
  work: (disk: BlockDevice) => Promise<T>,
): Promise<T> {
  return withScratch(path, async (scratch) => {
    const socket = join(scratch, 'nbd');
    const image = { driver: 'qcow2', 'file.driver': 'file', 'file.filename': resolve(path) };
    const options = optionList('', { ...image, ...optionsFor[access] });
    const flags = access === 'read' ? ['--read-only'] : [];
    const server = ['qemu-nbd', '--socket', socket, '--export-name', exportName, ...flags];
    const child = start('setpriv', ['--pdeathsig', 'KILL', ...server, '--image-opts', options], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let output = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-1000);
    });
    const ended = once(child, 'close');
    await started(child, 'setpriv');
    try {
      const disk = await connectWhenServed(
        socket,
        () => child.exitCode !== null,
        () => output,
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
      await ended; // only then has it released the file
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
  output: () => string,
): Promise<BlockDevice> {
  let reason: unknown;
  const disk = await until(served, async () => {
    try {
      return await connectNbd(socket, exportName);
    } catch (error) {
      if (hasEnded()) throw nbdError(output().trim().replaceAll('\n', '; ') || 'qemu-nbd ended');
      reason = error;
      return undefined;
    }
  });
  if (disk) return disk;
  throw reason;
}
