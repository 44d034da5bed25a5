import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError, misuse } from '../base/errors.ts';
import { exists, readBounded, syncDirectory, writeFileAtomic } from '../base/files.ts';
import { KiB } from '../base/size.ts';
import { resetLine } from '../guest/drift-reset.ts';
import type { OverlayPath } from '../guest/overlay-path.ts';
import { isAsReleased } from './as-released.ts';

/*
 * Resets that were requested while the machine was off. The next start has them as a credential, so that nothing in the guest is
 * asked: `reset_paths` of image/initrd/overlays.
 */

const credential = 'holdfast.resets';

/** The firmware passes credentials in a table, of which this is a small part: bytes. */
const maximum = 8 * KiB;

function file(secrets: string): string {
  return join(secrets, 'resets');
}

async function requested(secrets: string): Promise<string> {
  try {
    return (await readBounded(file(secrets), maximum)).toString('latin1');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return '';
    throw error;
  }
}

/**
 * Requests that the next start that is not as released resets a path and everything below it.
 * @returns false when that was requested already.
 * @throws HoldfastError `drift.requests` when the requests are too long.
 */
export async function requestResetAtStart(secrets: string, { overlay, path }: OverlayPath): Promise<boolean> {
  const before = await requested(secrets);
  const line = `${overlay} ${resetLine(path)}`;
  if (before.split(/^/m).includes(line)) return false;
  if (before.length + line.length > maximum) {
    throw misuse('drift.requests', 'too many resets are requested', {
      why: `the next start takes ${maximum} bytes of paths`,
      next: 'start the machine, or reset a directory above, such as /etc',
    });
  }
  await writeFileAtomic(file(secrets), before + line, 0o600);
  return true;
}

/** Returns the credential with the requested resets for the next start: its name to its file. A start as released resets nothing. */
export async function resetsCredential(secrets: string): Promise<Readonly<Record<string, string>>> {
  const isCarriedOut = !(await isAsReleased(secrets)) && (await exists(file(secrets)));
  return isCarriedOut ? { [credential]: file(secrets) } : {};
}

/** Forgets the requests once a machine that was started with them has answered: its initrd has carried them out. */
export async function forgetResets(secrets: string): Promise<void> {
  if ((await isAsReleased(secrets)) || !(await exists(file(secrets)))) return;
  await rm(file(secrets));
  await syncDirectory(secrets);
}
