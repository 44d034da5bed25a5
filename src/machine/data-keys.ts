import { createHash, createHmac, randomBytes } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { misuse } from '../base/errors.ts';
import { exists, syncDirectory } from '../base/files.ts';
import { extended } from '../firmware/measurement.ts';
import { sha256 } from '../release/manifest.ts';
import type { MachineConfiguration } from './configuration.ts';

/*
 * The keys of a machine whose data are encrypted: docs/explanation/sealed-data.md. The host makes them, hands them to the first
 * start, and forgets them; what stays tells the right ones from others, and opens nothing.
 */

/** Of every machine: image/initrd/unlock names it too. */
export const volumeId = '3e1f0c58-7a64-4d0e-9c8b-5d1b2f6a0d08';

/** For AES-256 in XTS, which takes two keys. */
const volumeKeySize = 64;
const recoveryKeySize = 32;

/** Digits that are in the same place on most keyboards: "modhex", as systemd-cryptenroll(1) has it. */
const digits = 'cbdefghijklnrtuv';
const group = 8;

export interface DataKeys {
  readonly volumeKey: Buffer;
  /** As it is shown, and as the volume knows it. */
  readonly recoveryKey: string;
}

export function makeDataKeys(): DataKeys {
  const recovery = [...randomBytes(recoveryKeySize)].flatMap((byte) => [byte >> 4, byte & 15]);
  return {
    volumeKey: randomBytes(volumeKeySize),
    recoveryKey: grouped(recovery.map((digit) => digits[digit]).join('')),
  };
}

/** What `machine.json` keeps of them. */
export function describeKeys({ volumeKey, recoveryKey }: DataKeys): MachineConfiguration['encryption'] {
  return {
    volume: sha256.parse(measuredVolume(volumeKey).toString('hex')),
    recoveryKey: sha256.parse(createHash('sha256').update(recoveryKey).digest('hex')),
  };
}

/** PCR 15 when the volume of this key is open, and no other was before: `measure_volume_key` in systemd's cryptsetup.c. */
export function measuredVolume(volumeKey: Uint8Array): Buffer {
  const measurement = createHmac('sha256', volumeKey).update(`cryptsetup:Data:${volumeId}`).digest();
  return extended([measurement]);
}

/**
 * A recovery key as somebody typed it, in the form that the volume knows.
 * @throws HoldfastError `recovery.malformed` (exit code 2).
 */
export function parseRecoveryKey(text: string): string {
  const plain = text.toLowerCase().replace(/[\s-]/g, '');
  if (plain.length === recoveryKeySize * 2 && [...plain].every((digit) => digits.includes(digit)))
    return grouped(plain);
  throw misuse('recovery.malformed', 'this is no recovery key', {
    why: `it has eight groups of eight letters, of ${digits} alone`,
    next: 'type it as `holdfast deploy` showed it',
  });
}

/** Whether it is the recovery key of the machine. */
export function isRecoveryKey(key: string, expected: string): boolean {
  return createHash('sha256').update(key).digest('hex') === expected;
}

function grouped(plain: string): string {
  return plain.match(new RegExp(`.{${group}}`, 'g'))?.join('-') ?? '';
}

/** Files in the machine's directory of secrets, by the credential that hands them to the guest. */
function keyFiles(secrets: string) {
  return {
    'holdfast.recovery-key': join(secrets, 'recovery-key'),
    'holdfast.volume-key': join(secrets, 'volume-key'),
  } as const;
}

/** Keeps both for the first start. */
export async function keepDataKeys(secrets: string, { volumeKey, recoveryKey }: DataKeys): Promise<void> {
  const files = keyFiles(secrets);
  await writeFile(files['holdfast.volume-key'], volumeKey, { mode: 0o600, flush: true });
  await keepRecoveryKey(secrets, recoveryKey);
}

/** Keeps the recovery key for one start. */
export async function keepRecoveryKey(secrets: string, key: string): Promise<void> {
  await writeFile(keyFiles(secrets)['holdfast.recovery-key'], key, { mode: 0o600, flush: true });
  await syncDirectory(secrets);
}

/** A recovery key alone is for the start that follows at once: milliseconds. */
const recoveryWithin = 60_000;

/**
 * The keys that are kept for the next start: name of the credential to file. The volume's alone is what a removal left that
 * was cut off, and an older recovery key alone what a recovery left that was killed: nobody
 * asks for it now. Both are removed.
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

/** Removes a recovery key that was for one start, which it has had. Those of a first start stay until they were shown. */
export async function forgetRecovery(secrets: string): Promise<void> {
  if (!(await exists(keyFiles(secrets)['holdfast.volume-key']))) await forgetKeys(secrets);
}

/** The recovery key of a machine whose user was not shown it yet; undefined afterwards. */
export async function unshownRecoveryKey(secrets: string): Promise<string | undefined> {
  const kept = await keptKeys(secrets);
  const path = kept['holdfast.recovery-key'];
  if (path === undefined || kept['holdfast.volume-key'] === undefined) return undefined;
  return readFile(path, 'utf8');
}

/** Removes what was kept. */
export async function forgetKeys(secrets: string): Promise<void> {
  for (const path of Object.values(keyFiles(secrets))) {
    await rm(path, { force: true });
    await syncDirectory(secrets);
  }
}
