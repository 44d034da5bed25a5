import { describe, failure, isFailure, misuse } from '../base/errors.ts';
import type { Machine } from '../machine/machine.ts';
import { askTpm } from '../supervisor/client.ts';
import { guestOf } from '../supervisor/guest.ts';
import { tpmPort } from '../supervisor/host-tpm-access.ts';
import { defaultHostTpm, hostTpm } from '../tpm/host/host-tpm.ts';
import {
  identifyTpm,
  readInformation,
  type TpmIdentity,
  type TpmInformation,
} from '../tpm/host/information.ts';

/** A machine's access to the host's TPM. */
export interface TpmStatus {
  /** Undefined: the machine has no access. */
  readonly path: string | undefined;
  readonly identity: TpmIdentity | undefined;
  /** Why the TPM does not answer; until it does, the machine gets errors. */
  readonly problem: string | undefined;
}

/**
 * Grants a machine access to the host's TPM, or revokes it, with immediate effect on a running machine. The TPM need not exist
 * yet.
 * @param path of the host's TPM; undefined revokes the access.
 * @returns false when nothing changed.
 * @throws HoldfastError `tpm.transport`, and those of `Machine.update`.
 */
export function setTpmAccess(machine: Machine, path: string | undefined): Promise<boolean> {
  return machine.locked('tpm', async () => {
    const { changed } = await machine.updateLocked((before) => {
      const { hostTpm: present, ...others } = before;
      if (path !== undefined && others.transport !== 'vsock') {
        throw misuse('tpm.transport', `the machine '${machine.name}' cannot reach the TPM of this host`, {
          why: `its transport is ${others.transport}, and the TPM is reached over vsock`,
          next: 'deploy it without --transport tcp',
        });
      }
      if (present === path) return before;
      return path === undefined ? others : { ...others, hostTpm: path };
    });
    await askTpm(machine); // also when nothing changed: an interrupted command may not have got here
    return changed;
  });
}

/** Returns a machine's access to the host's TPM. @throws HoldfastError those of `Machine.configuration`. */
export async function tpmStatus(machine: Machine): Promise<TpmStatus> {
  const path = (await machine.configuration()).hostTpm;
  if (path === undefined) return { path, identity: undefined, problem: undefined };
  try {
    return { path, identity: await identifyTpm(hostTpm(path)), problem: undefined };
  } catch (error) {
    return { path, identity: undefined, problem: describe(error) };
  }
}

/**
 * Returns the facts about the host's TPM that a provisioning service needs: that of the machine, else the
 * default one. The machine may be off.
 * @throws HoldfastError `tpm.…`, and those of `Machine.configuration`.
 */
export async function tpmInformation(machine: Machine): Promise<TpmInformation> {
  const { hostTpm: path = defaultHostTpm } = await machine.configuration();
  return readInformation(hostTpm(path));
}

export interface NvReadRequest {
  readonly index: number;
  /** The authorization of the index; undefined: the owner's empty one. */
  readonly authorization: Uint8Array | undefined;
  /** Bytes; undefined: all from the offset on. */
  readonly size: number | undefined;
  readonly offset: number | undefined;
}

/** How long the guest may take: milliseconds. */
const guestLimit = 60_000;

/** Where the guest's tools find the TPM; the same as for logins (sshd_config in the image). */
const guestTcti = `cmd:socat -d0 - VSOCK-CONNECT:2:${tpmPort}`;

/**
 * Reads an NV index of the host's TPM as the guest can: in the guest, with tpm2-tools, through the broker. The authorization
 * is passed on standard input.
 * @throws HoldfastError `tpm.off`, `tpm.nv-read` with the message of tpm2_nvread, and those of `guestOf`.
 */
export async function readNvInGuest(
  machine: Machine,
  { index, authorization, size, offset }: NvReadRequest,
): Promise<Buffer> {
  const { hostTpm: path } = await machine.configuration();
  if (path === undefined) {
    throw failure('tpm.off', `the machine '${machine.name}' has no access to the host's TPM`, {
      why: 'access is disabled by default',
      next: 'run `holdfast tpm enable`, which states the risk',
    });
  }
  const number = `0x${index.toString(16)}`;
  const argv = [
    // without the library's own lines, only tpm2_nvread's
    ...['env', 'TSS2_LOG=all+none', 'tpm2_nvread', '--tcti', guestTcti, number],
    ...(authorization ? ['--hierarchy', number, '--auth', 'file:-'] : ['--hierarchy', 'o']),
    ...(size === undefined ? [] : ['--size', String(size)]),
    ...(offset === undefined ? [] : ['--offset', String(offset)]),
  ];
  try {
    const options = { timeoutMs: guestLimit, ...(authorization && { input: authorization }) };
    return (await guestOf(machine).run(argv, options)).stdout;
  } catch (error) {
    if (!isFailure(error, 'guest.command')) throw error;
    const { why = 'tpm2_nvread gave no reason', next = 'run it by hand to see more' } = error;
    throw failure('tpm.nv-read', `the machine cannot read the NV index ${number}`, {
      why,
      next,
      cause: error,
    });
  }
}
