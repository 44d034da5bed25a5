import { describe } from '../../base/errors.ts';
import { debug } from '../../base/log.ts';
import type { Guest } from '../../channel/guest.ts';
import { guestOf } from '../../supervisor/guest.ts';
import { defineCommand } from '../framework/command.ts';
import { rest } from '../framework/parameters.ts';
import { attach } from '../terminal/attach.ts';
import { terminalOf } from '../terminal/terminal.ts';

export const execCommand = defineCommand({
  description:
    'Standard streams, signals, the terminal and the exit code pass through. Flags of holdfast stand in front of the command, and -- may separate them from it.',
  arguments: { command: rest('COMMAND', 'Command and its arguments; no shell interprets them') },
  flags: {},
  passThrough: true,
  examples: [
    ['holdfast exec -- uname -r', 'Run a command; holdfast exits with its exit code'],
    ['holdfast exec -- sudo podman ps', 'Run as root: the user in the guest needs no password for sudo'],
    [
      "tar -c src | holdfast exec -- sh -c 'tar -x && ls src'",
      'Pass data through standard input and output, byte for byte',
    ],
    ['holdfast --json exec -- id', 'Print exit code, stdout and stderr as one JSON object'],
  ],
  output: async () => (await import('../output/guest.ts')).execOutput,
  async run({ arguments: { command }, ...context }) {
    const { machine, streams, signal } = context;
    const isTerminal = streams.stdin.isTTY && streams.stdout.isTTY;
    const guest = guestOf(machine, 'user');
    await attach(context, guest.start, command, isTerminal ? terminalOf(streams) : undefined);
    if (command.some((word) => /\bpodman\b/.test(word))) await flush(guest, signal);
  },
});

/**
 * Writes Data to the disk. Podman 5.4 does not do so: a loss of power after `podman load` would leave half an image. The machine may
 * have been shut down by the command.
 */
async function flush(guest: Guest, signal: AbortSignal): Promise<void> {
  try {
    await guest.run(['sync', '--file-system', '/var'], { signal });
  } catch (error) {
    debug('channel', `cannot flush Data: ${describe(error)}`);
  }
}
