import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '../../src/base/errors.ts';
import type { Identity, Session } from '../../src/channel/session.ts';
import { openSession } from '../../src/channel/ssh.ts';
import type { Hypervisor, MachineHardware, RunningMachine } from '../../src/hypervisor/hypervisor.ts';

/** One boot, in milliseconds. */
export interface Timeline {
  /** From the start of QEMU until a command has run in the guest over SSH. */
  readonly total: number;
  /** Firmware and boot loader: until the kernel's clock starts. */
  readonly firmware: number;
  /** Kernel and initrd: until systemd starts in the root. */
  readonly kernel: number;
  /** From there to the command. */
  readonly userSpace: number;
}

const pollMs = 50;
const bootLimitMs = 300_000;
const stopLimitMs = 60_000;

/** As root, who reaches systemd before the message bus is up. */
const systemctl = ['sudo', 'systemctl'];

/** Starts a machine, waits until a command has run in it, and shuts it down again. */
export async function measureBoot(
  hypervisor: Hypervisor,
  hardware: MachineHardware,
  identity: Identity,
): Promise<Timeline> {
  const startedAt = performance.now();
  const machine = await hypervisor.start(hardware);
  try {
    const session = await firstCommand(machine, identity);
    const total = performance.now() - startedAt;
    const phases = await phasesOf(session, startedAt, total);
    // what is left of the boot, which the next one need not do again
    await session.run([...systemctl, 'is-system-running', '--wait'], { accept: [0, 1] });
    await session.run([...systemctl, 'poweroff'], { accept: [0, 1] }).catch(() => {});
    await Promise.race([machine.ended, sleep(stopLimitMs, undefined, { ref: false })]);
    return { total, ...phases };
  } finally {
    await machine.kill(); // gone already, unless something failed
  }
}

async function firstCommand(machine: RunningMachine, identity: Identity): Promise<Session> {
  const giveUpAt = performance.now() + bootLimitMs;
  for (;;) {
    try {
      const session = await openSession(await machine.connect(), identity);
      await session.run(['true']);
      return session;
    } catch (error) {
      if (performance.now() > giveUpAt) throw new Error(`no boot: ${reasonOf(error)}`, { cause: error });
      await sleep(pollMs);
    }
  }
}

/** The guest tells how long its kernel has run, and when systemd began, in microseconds of the kernel's clock. */
async function phasesOf(
  session: Session,
  startedAt: number,
  total: number,
): Promise<Omit<Timeline, 'total'>> {
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
