import { join } from 'node:path';
import { isSystemError } from '../../base/errors.ts';
import { readBounded, writeFileAtomic } from '../../base/files.ts';
import { KiB } from '../../base/size.ts';

/** How often the host's configuration is read, in milliseconds. */
const interval = 10_000;

const name = 'resolv.conf';

/**
 * Copies the host's resolv.conf(5) to the directory that QEMU sees as /etc: QEMU passes the guest's DNS questions on, and reads
 * the file again when it has changed. A copy, as the file itself may be replaced or be a link to anywhere.
 */
export async function refreshResolver(etc: string): Promise<void> {
  const text = await contentOf(join('/etc', name));
  if (text !== undefined && text !== (await contentOf(join(etc, name))))
    await writeFileAtomic(join(etc, name), text, 0o644);
}

/** Keeps the copy current until the returned function is called. */
export function watchResolver(etc: string): () => void {
  const timer = setInterval(() => void refreshResolver(etc).catch(() => {}), interval);
  timer.unref();
  return () => clearInterval(timer);
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return (await readBounded(path, 64 * KiB)).toString();
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
}
