import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isFailure } from '../../src/base/errors.ts';
import type { Identity, Session } from '../../src/channel/session.ts';
import { openSession } from '../../src/channel/ssh.ts';
import type { MachineHardware, MachineRunner, RunningMachine } from '../../src/hypervisor/hypervisor.ts';

/** One boot, in milliseconds. */
export interface Timeline {
  /** From the start of QEMU until a command has run in the guest over SSH. */
  readonly total: number;
  /** Processor time of QEMU for that, which other load of the host disturbs least. */
  readonly processor: number;
  /** Firmware and boot loader: until the kernel's clock starts. */
  readonly firmware: number;
  /** Kernel and initrd: until systemd starts in the root. */
  readonly kernel: number;
  /** From there to the command. */
  readonly userSpace: number;
}

/** The interval at which the supervisor polls a booting guest. */
const pollMs = 200;
const bootLimitMs = 300_000;
const triesPerBoot = 3;
const settleLimitMs = 120_000;

/** As root, which reaches systemd before the message bus is up. */
const systemctl = ['sudo', 'systemctl'];

/**
 * Starts a machine, waits until a command has run in it, and shuts it down. Repeats the boot if vhost-device-vsock 0.3.0
 * fails meanwhile, as that is unrelated to the guest's boot.
 */
export async function measureBoot(
  hypervisor: MachineRunner,
  hardware: MachineHardware,
  identity: Identity,
): Promise<Timeline> {
  for (let tries = 1; ; tries++) {
    try {
      return await boot(hypervisor, hardware, identity);
    } catch (error) {
      if (!isFailure(error, 'vsock.gone') || tries === triesPerBoot) throw error;
      console.log(`the channel to ${hardware.name} was lost: booting it again`);
    }
  }
}

async function boot(
  hypervisor: MachineRunner,
  hardware: MachineHardware,
  identity: Identity,
): Promise<Timeline> {
  const startedAt = performance.now();
  const machine = await hypervisor.start(hardware);
  try {
    const session = await firstCommand(machine, identity);
    const total = performance.now() - startedAt;
    const processor = await processorTime(machine.pid);
    const phases = await phasesOf(session, startedAt, total);
    await shutDown(machine, session).catch(() => {}); // the measurement is complete; the machine is killed below
    return { total, processor, ...phases };
  } finally {
    await machine.kill(); // has ended already, unless something failed
  }
}

/** Waits for the end of the boot, so that nothing is left for the next one, and shuts the machine down. */
async function shutDown(machine: RunningMachine, session: Session): Promise<void> {
  const options = { accept: [0, 1], timeoutMs: settleLimitMs };
  await session.run([...systemctl, 'is-system-running', '--wait'], options);
  await session.run([...systemctl, 'poweroff'], options).catch(() => {}); // the connection ends with the guest
  await Promise.race([machine.ended, sleep(settleLimitMs, undefined, { ref: false })]);
}

/** Retries until a command has run in the guest. */
export async function firstCommand(machine: RunningMachine, identity: Identity): Promise<Session> {
  const giveUpAt = performance.now() + bootLimitMs;
  for (;;) {
    try {
      const session = await openSession(await machine.connect('user'), identity);
      await session.run(['true']);
      return session;
    } catch (error) {
      if (isFailure(error, 'vsock.gone', 'qmp.closed') || performance.now() > giveUpAt) throw error;
      await sleep(pollMs);
    }
  }
}

/** Returns the processor time of a process in milliseconds (proc_pid_stat(5): in hundredths of a second on Linux). */
async function processorTime(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'latin1')).replace(/^.*\) /s, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Derives the phases from the guest's uptime and the start of systemd, in microseconds of the kernel's clock. */
async function phasesOf(
  session: Session,
  startedAt: number,
  total: number,
): Promise<Omit<Timeline, 'total' | 'processor'>> {
  const askedAt = performance.now();
  const uptime = await session.run(['cat', '/proc/uptime']);
  const now = (askedAt + performance.now()) / 2 - startedAt;
  const firmware = now - Number.parseFloat(uptime.stdout.toString()) * 1000;
  const began = await session.run([
    ...systemctl,
    'show',
    '--value',
    '--property=UserspaceTimestampMonotonic',
  ]);
  const kernel = Number(began.stdout.toString()) / 1000;
  return { firmware, kernel, userSpace: total - firmware - kernel };
}
