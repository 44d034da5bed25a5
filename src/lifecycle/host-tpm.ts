import { describe, failure, isFailure, misuse } from '../base/errors.ts';
import { withLock } from '../base/lock.ts';
import { runToEnd } from '../channel/run.ts';
import { readConfiguration, writeConfiguration } from '../machine/configuration.ts';
import { type HomeLayout, type MachineName, machineLayout } from '../machine/paths.ts';
import { askTpm } from '../supervisor/client.ts';
import { tpmPort } from '../supervisor/host-tpm-access.ts';
import { startThrough } from '../supervisor/protocol/client.ts';
import { defaultHostTpm, hostTpm } from '../tpm/host/host-tpm.ts';
import {
  identifyTpm,
  readInformation,
  type TpmIdentity,
  type TpmInformation,
} from '../tpm/host/information.ts';

/** Whether a machine may use the host's TPM, and how that TPM is. */
export interface TpmStatus {
  /** Undefined: the machine has no access. */
  readonly path: string | undefined;
  readonly identity: TpmIdentity | undefined;
  /** Why the TPM does not answer; the machine gets errors until it does. */
  readonly problem: string | undefined;
}

/**
 * Gives a machine access to the host's TPM, or takes it away; one that runs has it, or not, at once. The TPM need not be there
 * yet.
 * @param path of the host's TPM; undefined takes the access away.
 * @returns false when it was so already.
 * @throws HoldfastError `machine.none`, `tpm.transport`, `lock.held`.
 */
export async function setTpmAccess(
  layout: HomeLayout,
  name: MachineName,
  path: string | undefined,
): Promise<boolean> {
  await readConfiguration(layout, name);
  const files = machineLayout(layout, name);
  return withLock(files.lock, 'tpm', async () => {
    const { hostTpm: before, ...others } = await readConfiguration(layout, name);
    if (path !== undefined && others.transport !== 'vsock') {
      throw misuse('tpm.transport', `the machine '${name}' cannot reach the TPM of this host`, {
        why: `its transport is ${others.transport}, and the way to the TPM is vsock`,
        next: 'deploy it without --transport tcp',
      });
    }
    const changed = before !== path;
    if (changed) {
      const configuration = path === undefined ? others : { ...others, hostTpm: path };
      await writeConfiguration(files.configuration, configuration);
    }
    // also when nothing changed: a command that was cut off may have left this undone
    await askTpm(files.supervisorSocket);
    return changed;
  });
}

/** @throws HoldfastError `machine.none`. */
export async function tpmStatus(layout: HomeLayout, name: MachineName): Promise<TpmStatus> {
  const path = (await readConfiguration(layout, name)).hostTpm;
  if (path === undefined) return { path, identity: undefined, problem: undefined };
  try {
    return { path, identity: await identifyTpm(hostTpm(path)), problem: undefined };
  } catch (error) {
    return { path, identity: undefined, problem: describe(error) };
  }
}

/**
 * What a provisioning service wants to know of the host's TPM: that of the machine, else the usual one. The machine need not
 * run.
 * @throws HoldfastError `machine.none`, `tpm.…`.
 */
export async function tpmInformation(layout: HomeLayout, name: MachineName): Promise<TpmInformation> {
  const { hostTpm: path = defaultHostTpm } = await readConfiguration(layout, name);
  return readInformation(hostTpm(path));
}

export interface NvReadRequest {
  readonly index: number;
  /** The authorization of the index; without it the owner's empty one is used. */
  readonly authorization: Uint8Array | undefined;
  /** Bytes; undefined: all from the offset on. */
  readonly size: number | undefined;
  readonly offset: number | undefined;
}

/** How long the guest may take: milliseconds. */
const guestLimit = 60_000;

/** Where the guest's tools find the TPM: the image says the same to who logs in (sshd_config). */
const guestTcti = `cmd:socat -d0 - VSOCK-CONNECT:2:${tpmPort}`;

/**
 * Reads an NV index of the host's TPM as the guest can: in the guest, with tpm2-tools, through the broker. The authorization
 * goes over standard input.
 * @throws HoldfastError `tpm.off`, `machine.none`, `tpm.nv-read` with what tpm2_nvread says, and those of `startThrough`.
 */
export async function readNvInGuest(
  layout: HomeLayout,
  name: MachineName,
  { index, authorization, size, offset }: NvReadRequest,
): Promise<Buffer> {
  const { hostTpm: path } = await readConfiguration(layout, name);
  if (path === undefined) {
    throw failure('tpm.off', `the machine '${name}' has no access to the host's TPM`, {
      why: 'it is off unless somebody turns it on',
      next: 'run `holdfast tpm enable`; it says what that risks',
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
  const start = startThrough(machineLayout(layout, name).supervisorSocket);
  try {
    const options = { timeoutMs: guestLimit, ...(authorization && { input: authorization }) };
    return (await runToEnd(start, argv, options)).stdout;
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
