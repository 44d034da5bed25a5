import { createHash, createHmac, randomBytes } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { misuse } from '../base/errors.ts';
import { exists, syncDirectory } from '../base/files.ts';
import { extended } from '../firmware/measurement.ts';
import { sha256 } from '../release/manifest.ts';
import type { MachineConfiguration } from './configuration.ts';

/*
 * The keys of a machine whose data are encrypted: docs/explanation/sealed-data.md. The host creates them, passes them to the
 * first start, and deletes them; the digests that remain identify the right keys, and open nothing.
 */

/** The same for every machine: image/initrd/unlock has it too. */
export const volumeId = '3e1f0c58-7a64-4d0e-9c8b-5d1b2f6a0d08';

/** AES-256 in XTS mode takes two keys. */
const volumeKeySize = 64;
const recoveryKeySize = 32;

/** "modhex" digits, which are in the same place on most keyboards: systemd-cryptenroll(1). */
const digits = 'cbdefghijklnrtuv';
const group = 8;

export interface DataKeys {
  readonly volumeKey: Buffer;
  /** In the form in which it is shown, and which the volume takes. */
  readonly recoveryKey: string;
}

export function makeDataKeys(): DataKeys {
  const recovery = [...randomBytes(recoveryKeySize)].flatMap((byte) => [byte >> 4, byte & 15]);
  return {
    volumeKey: randomBytes(volumeKeySize),
    recoveryKey: grouped(recovery.map((digit) => digits[digit]).join('')),
  };
}

/** Returns the digests of the keys for `machine.json`. */
export function describeKeys({ volumeKey, recoveryKey }: DataKeys): MachineConfiguration['encryption'] {
  return {
    volume: sha256.parse(measuredVolume(volumeKey).toString('hex')),
    recoveryKey: sha256.parse(createHash('sha256').update(recoveryKey).digest('hex')),
  };
}

/** Computes PCR 15 after the volume of this key, and no other, was opened: `measure_volume_key` in systemd's cryptsetup.c. */
export function measuredVolume(volumeKey: Uint8Array): Buffer {
  const measurement = createHmac('sha256', volumeKey).update(`cryptsetup:Data:${volumeId}`).digest();
  return extended([measurement]);
}

/**
 * Parses a typed recovery key into the form that the volume takes.
 * @throws HoldfastError `recovery.malformed` (exit code 2).
 */
export function parseRecoveryKey(text: string): string {
  const plain = text.toLowerCase().replace(/[\s-]/g, '');
  if (plain.length === recoveryKeySize * 2 && [...plain].every((digit) => digits.includes(digit)))
    return grouped(plain);
  throw misuse('recovery.malformed', 'this is not a recovery key', {
    why: `a recovery key has eight groups of eight letters, all from ${digits}`,
    next: 'enter it as `holdfast deploy` showed it',
  });
}

/** Returns whether `key` has the expected digest. */
export function isRecoveryKey(key: string, expected: string): boolean {
  return createHash('sha256').update(key).digest('hex') === expected;
}

function grouped(plain: string): string {
  return plain.match(new RegExp(`.{${group}}`, 'g'))?.join('-') ?? '';
}

/** Returns the key files in the machine's secrets directory, by the credential that passes them to the guest. */
function keyFiles(secrets: string) {
  return {
    'holdfast.recovery-key': join(secrets, 'recovery-key'),
    'holdfast.volume-key': join(secrets, 'volume-key'),
  } as const;
}

/** Saves both keys for the first start. */
export async function keepDataKeys(secrets: string, { volumeKey, recoveryKey }: DataKeys): Promise<void> {
  const files = keyFiles(secrets);
  await writeFile(files['holdfast.volume-key'], volumeKey, { mode: 0o600, flush: true });
  await keepRecoveryKey(secrets, recoveryKey);
}

/** Saves the recovery key for one start. */
export async function keepRecoveryKey(secrets: string, key: string): Promise<void> {
  await writeFile(keyFiles(secrets)['holdfast.recovery-key'], key, { mode: 0o600, flush: true });
  await syncDirectory(secrets);
}

/** The validity of a recovery key alone in milliseconds: the start follows at once. */
const recoveryWithin = 60_000;

/**
 * Returns the keys that are saved for the next start: credential name to file. Removes leftovers: a volume key alone, of an
 * interrupted removal, or an expired recovery key alone, of a killed recovery.
 */
export async function keptKeys(secrets: string): Promise<Readonly<Record<string, string>>> {
  const kept = await Promise.all(
    Object.entries(keyFiles(secrets)).map(async (entry) => ((await exists(entry[1])) ? [entry] : [])),
  );
  const found: Record<string, string> = Object.fromEntries(kept.flat());
  const { 'holdfast.recovery-key': recovery, 'holdfast.volume-key': volume } = found;
  if (recovery !== undefined) {
    if (volume !== undefined) return found;
    const age = Date.now() - (await stat(recovery)).mtimeMs;
    if (age >= 0 && age < recoveryWithin) return found;
  }
  if (recovery !== undefined || volume !== undefined) await forgetKeys(secrets);
  return {};
}

/** Removes a recovery key after its one start. The keys of a first start stay until they were shown. */
export async function forgetRecovery(secrets: string): Promise<void> {
  if (!(await exists(keyFiles(secrets)['holdfast.volume-key']))) await forgetKeys(secrets);
}

/** Returns the recovery key until it was shown to the user; then undefined. */
export async function unshownRecoveryKey(secrets: string): Promise<string | undefined> {
  const kept = await keptKeys(secrets);
  const path = kept['holdfast.recovery-key'];
  if (path === undefined || kept['holdfast.volume-key'] === undefined) return undefined;
  return readFile(path, 'utf8');
}

/** Removes the saved keys. */
export async function forgetKeys(secrets: string): Promise<void> {
  for (const path of Object.values(keyFiles(secrets))) {
    await rm(path, { force: true });
    await syncDirectory(secrets);
  }
}
