import { guestOf } from '../../supervisor/guest.ts';
import { defineCommand } from '../framework/command.ts';
import { attach } from '../terminal/attach.ts';
import { terminalOf } from '../terminal/terminal.ts';

export const shellCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [
    ['holdfast shell', 'Open a login shell; holdfast exits with its exit code'],
    ['holdfast shell < script.sh', 'Run commands from a file'],
  ],
  output: async () => (await import('../output/guest.ts')).execOutput,
  async run(context) {
    const { machine, streams } = context;
    await attach(context, guestOf(machine, 'user').start, undefined, {
      terminal: streams.stdin.isTTY ? terminalOf(streams) : undefined,
    });
  },
});
