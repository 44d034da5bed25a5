import { startIn } from '../../supervisor/guest.ts';
import { defineCommand, rest } from '../framework/command.ts';
import { attach } from '../terminal/attach.ts';
import { terminalOf } from '../terminal/terminal.ts';

export const execCommand = defineCommand({
  arguments: { command: rest('CMD', 'the command and its words; no shell reads them') },
  flags: {},
  passThrough: true,
  examples: [
    ['holdfast exec -- uname -r', 'run one command; its exit code is ours'],
    ['holdfast exec -- sudo podman ps', 'as root: the user in the guest needs no password for sudo'],
    ["tar -c src | holdfast exec -- sh -c 'tar -x && ls src'", 'streams pass through, byte for byte'],
    ['holdfast --json exec -- id', 'print code, stdout and stderr as one object'],
  ],
  async run({ arguments: { command }, ...context }) {
    const { layout, machine, streams } = context;
    const isTerminal = streams.stdin.isTTY && streams.stdout.isTTY;
    await attach(context, startIn(layout, machine), command, isTerminal ? terminalOf(streams) : undefined);
  },
});
