import { describe } from '../../base/errors.ts';
import { debug } from '../../base/log.ts';
import type { Guest } from '../../channel/guest.ts';
import { guestOf } from '../../supervisor/guest.ts';
import { defineCommand } from '../framework/command.ts';
import { rest, toggle } from '../framework/parameters.ts';
import { attach } from '../terminal/attach.ts';
import { terminalOf } from '../terminal/terminal.ts';

export const execCommand = defineCommand({
  description:
    'Standard streams, signals, the terminal and the exit code pass through. Flags of holdfast stand in front of the command, and -- may separate them from it.\nThe command reads standard input to its end, also when it does not use it: in `while read` and in a script that a shell reads from a pipe, that is the rest of the list or of the script. --no-stdin leaves it alone, as -n of ssh does.',
  arguments: { command: rest('COMMAND', 'Command and its arguments; no shell interprets them') },
  flags: {
    noStdin: toggle('Do not read standard input, which a script or a loop may need'),
  },
  passThrough: true,
  examples: [
    ['holdfast exec -- uname -r', 'Run a command; holdfast exits with its exit code'],
    ['holdfast exec -- sudo podman ps', 'Run as root: the user in the guest needs no password for sudo'],
    [
      "tar -c src | holdfast exec -- sh -c 'tar -x && ls src'",
      'Pass data through standard input and output, byte for byte',
    ],
    [
      'while read -r unit; do holdfast exec --no-stdin -- systemctl status "$unit"; done <units',
      'Run a command for each line of a file',
    ],
    ['holdfast --json exec -- id', 'Print exit code, stdout and stderr as one JSON object'],
  ],
  output: async () => (await import('../output/guest.ts')).execOutput,
  async run({ arguments: { command }, flags: { noStdin }, ...context }) {
    const { machine, streams, signal } = context;
    const isTerminal = !noStdin && streams.stdin.isTTY && streams.stdout.isTTY;
    const guest = guestOf(machine, 'user');
    let code = 0;
    const exitWith = (given: number) => {
      code = given;
      context.exitWith(given);
    };
    const terminal = isTerminal ? terminalOf(streams) : undefined;
    await attach({ ...context, exitWith }, guest.start, command, { terminal, noStdin });
    if (command[0] === 'podman' && code !== 0) streams.stderr.write(rootless);
    if (command.some((word) => /\bpodman\b/.test(word))) await flush(guest, signal);
  },
});

const rootless = 'holdfast: containers run as root in the guest: use `sudo podman`\n';

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
