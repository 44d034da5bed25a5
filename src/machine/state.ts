/**
 * What a machine is doing.
 * - `starting`: its processes are being started
 * - `booting`: it runs, and the channel does not answer yet, or not again yet after a reboot
 * - `running`: the channel answers
 * - `stopping`: it was asked to shut down
 * - `stopped`: it was shut down
 * - `failed`: its processes ended without a shutdown
 */
export type MachineState = 'starting' | 'booting' | 'running' | 'stopping' | 'stopped' | 'failed';

/**
 * What happens to a machine. `stop` and `kill` are wishes; `shutdown` and `killed` are how its processes ended;
 * `give-up`: it was asked to shut down and did not.
 */
export type MachineEvent =
  | 'started'
  | 'connected'
  | 'disconnected'
  | 'stop'
  | 'give-up'
  | 'shutdown'
  | 'killed';

/** Where an event leads. An event that is not listed for a state changes nothing. */
const transitions: Readonly<Record<MachineState, Partial<Record<MachineEvent, MachineState>>>> = {
  starting: { started: 'booting', shutdown: 'stopped', killed: 'failed' },
  booting: { connected: 'running', stop: 'stopping', shutdown: 'stopped', killed: 'failed' },
  running: { disconnected: 'booting', stop: 'stopping', shutdown: 'stopped', killed: 'failed' },
  // the next `connected` makes it running again if the guest lives on
  stopping: { 'give-up': 'booting', shutdown: 'stopped', killed: 'failed' },
  stopped: {},
  failed: {},
};

export function next(state: MachineState, event: MachineEvent): MachineState {
  return transitions[state][event] ?? state;
}
