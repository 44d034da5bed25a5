import type { MachineEnd } from '../hypervisor/hypervisor.ts';

/**
 * The state of a machine.
 * - `starting`: its processes are being started, for the first time or after a reboot
 * - `booting`: it runs, and the channel does not answer yet, or not again yet
 * - `running`: the channel answers
 * - `stopping`: it was asked to shut down
 * - `stopped`: it was shut down
 * - `failed`: its processes ended without a shutdown, and are not started again, or could not be started
 */
export const machineStates = ['starting', 'booting', 'running', 'stopping', 'stopped', 'failed'] as const;
export type MachineState = (typeof machineStates)[number];

/**
 * An event of a machine. `stop` is a request, and `give-up` its end when the guest did not comply in time;
 * `shutdown`, `reboot`, `hang` and `killed` are how its processes ended.
 */
export type MachineEvent = 'started' | 'connected' | 'disconnected' | 'stop' | 'give-up' | MachineEnd;

/**
 * The transitions. An event that is not listed for a state changes nothing.
 *
 *     starting ── started ──▶ booting ◀── connected, disconnected ──▶ running
 *        ▲                       │                                       │
 *        └─ reboot, hang, killed ┴───────────────────────────────────────┘
 *     starting, booting, running ── stop ──▶ stopping ── give-up ──▶ booting
 *     booting, running, stopping ── shutdown ──▶ stopped
 *     starting, stopping ── killed ──▶ failed
 */
const transitions: Readonly<Record<MachineState, Partial<Record<MachineEvent, MachineState>>>> = {
  starting: { started: 'booting', stop: 'stopping', killed: 'failed' },
  booting: {
    connected: 'running',
    stop: 'stopping',
    shutdown: 'stopped',
    reboot: 'starting',
    hang: 'starting',
    killed: 'starting',
  },
  running: {
    disconnected: 'booting',
    stop: 'stopping',
    shutdown: 'stopped',
    reboot: 'starting',
    hang: 'starting',
    killed: 'starting',
  },
  // after `give-up`, the next `connected` makes it running again if the guest continues to run
  stopping: {
    'give-up': 'booting',
    shutdown: 'stopped',
    reboot: 'stopped',
    hang: 'stopped',
    killed: 'failed',
  },
  stopped: {},
  failed: {},
};

/** Returns whether none of a machine's processes runs, whatever ended them. */
export function isOff({ state }: { readonly state: MachineState }): boolean {
  return state === 'stopped' || state === 'failed';
}

export function next(state: MachineState, event: MachineEvent): MachineState {
  return transitions[state][event] ?? state;
}
