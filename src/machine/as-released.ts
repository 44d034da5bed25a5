import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, syncDirectory } from '../base/files.ts';

/** The credential with which the initrd leaves out everything that the machine has kept: image/initrd/as-released. */
const credential = 'holdfast.as-released';

function file(secrets: string): string {
  return join(secrets, 'as-released');
}

/** Chooses whether the next start, and those that follow without a command, are as released. */
export async function chooseAsReleased(secrets: string, asReleased: boolean): Promise<void> {
  if (asReleased) await writeFile(file(secrets), 'yes', { mode: 0o600, flush: true });
  else await rm(file(secrets), { force: true });
  await syncDirectory(secrets);
}

/** Returns whether the machine was last started as released. */
export function isAsReleased(secrets: string): Promise<boolean> {
  return exists(file(secrets));
}

/** Returns the credential of a start as released: its name to its file. */
export async function asReleasedCredential(secrets: string): Promise<Readonly<Record<string, string>>> {
  return (await isAsReleased(secrets)) ? { [credential]: file(secrets) } : {};
}
