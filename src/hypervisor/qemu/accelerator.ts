import { constants } from 'node:fs';
import { access, rm, stat, writeFile } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { HoldfastError, isSystemError } from '../../base/errors.ts';
import {
  makePrivateDirectory,
  makeScratchDirectory,
  readBounded,
  writeFileAtomic,
} from '../../base/files.ts';
import { findProgram } from '../../base/find-program.ts';
import { run } from '../../base/process.ts';
import { type Accelerator, chipsetArguments, kvmDevice, processorArguments } from './arguments.ts';
import { platform } from './platforms.ts';
import { probeExitCode, probePort, probeRom } from './probe-rom.ts';

/** A successful probe takes a tenth of this on a busy host. */
const probeLimitMs = 5000;

export interface AcceleratorChoice {
  readonly accelerator: Accelerator;
  /** Why KVM is not used; undefined when it is. */
  readonly reason: string | undefined;
}

const remembered = z.strictObject({
  format: z.literal(1),
  /** What the result depends on. */
  host: z.array(z.string()),
  reason: z.string().optional(),
});

/**
 * Chooses KVM if a guest runs under it, else emulation. The presence of /dev/kvm proves nothing: on some hosts guests stop at
 * their first instructions.
 * @param memory a file that caches the result while QEMU, the kernel, the processor and /dev/kvm stay the same.
 * @throws HoldfastError `process.missing` when QEMU is not installed.
 */
export async function chooseAccelerator(memory: string): Promise<AcceleratorChoice> {
  const obstacle = await kvmObstacle();
  if (obstacle) return { accelerator: 'tcg', reason: obstacle.reason };
  const host = await describeHost();
  const known = await recall(memory);
  if (known && known.host.join('\n') === host.join('\n')) return choice(known.reason);
  const reason = await probeAccelerator('kvm');
  const answer: z.input<typeof remembered> = { format: 1, host, ...(reason !== undefined && { reason }) };
  await makePrivateDirectory(dirname(memory));
  await writeFileAtomic(memory, `${JSON.stringify(answer)}\n`, 0o600);
  return choice(reason);
}

function choice(reason: string | undefined): AcceleratorChoice {
  return { accelerator: reason === undefined ? 'kvm' : 'tcg', reason };
}

/**
 * Runs a tiny guest on the chipset of our machines.
 * @returns why it failed; undefined on success.
 * @throws HoldfastError `process.missing` when QEMU is not installed.
 */
export async function probeAccelerator(
  accelerator: Accelerator,
  rom: Uint8Array = probeRom(),
): Promise<string | undefined> {
  const directory = await makeScratchDirectory('holdfast-probe-');
  try {
    const path = join(directory, 'probe.rom');
    await writeFile(path, rom);
    const device = `isa-debug-exit,iobase=${probePort},iosize=1`;
    const args = [...chipsetArguments(), ...processorArguments[accelerator], '-m', '16M', '-no-reboot'];
    await run(platform.program, [...args, '-bios', path, '-device', device], {
      cwd: directory, // for the core dump of a QEMU that aborts
      timeoutMs: probeLimitMs,
      accept: [probeExitCode],
    });
    return undefined;
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === 'process.missing') throw error;
    if (error.code === 'process.timeout') return 'a guest stops at its first instructions';
    return (error.why ?? error.message).split(' | ', 1)[0]?.replace(/^[\w-]+: (?:error: )?/, '');
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** A reason why KVM cannot be tried. */
export interface Obstacle {
  readonly reason: string;
  readonly remedy: string;
}

/** Returns what prevents this user from using KVM; undefined when it can be tried. */
export async function kvmObstacle(): Promise<Obstacle | undefined> {
  try {
    await access(kvmDevice, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    if (isSystemError(error, 'EACCES'))
      return {
        reason: `you may not open ${kvmDevice}`,
        remedy: 'run `sudo adduser $USER kvm`, and log in again',
      };
    return {
      reason: `${kvmDevice} is not there`,
      remedy:
        'enable virtualization in the firmware of the host, or nested virtualization if it is a virtual machine',
    };
  }
}

/** Returns all that can change the result. A virtual machine can resume on another processor. */
async function describeHost(): Promise<string[]> {
  const [device, qemu] = await Promise.all([
    identity(kvmDevice),
    identity(await findProgram(platform.program)),
  ]);
  return [device, qemu, release(), cpus()[0]?.model ?? ''];
}

async function identity(path: string | undefined): Promise<string> {
  if (path === undefined) return '';
  const { dev, ino, rdev, size, mtimeMs } = await stat(path);
  return rdev === 0 ? `${path} ${size} ${mtimeMs}` : `${path} ${dev} ${ino} ${rdev}`;
}

async function recall(memory: string): Promise<z.output<typeof remembered> | undefined> {
  try {
    return remembered.parse(JSON.parse((await readBounded(memory, 64 * 1024)).toString()));
  } catch {
    return undefined; // no result yet, or an unknown form
  }
}
