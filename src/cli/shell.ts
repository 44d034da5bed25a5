import { startIn } from '../machine/guest-commands.ts';
import { attach } from './attach.ts';
import { terminalOf } from './terminal.ts';
import { defineVerb } from './verb.ts';

export const verb = defineVerb({
  arguments: {},
  flags: {},
  examples: [
    ['holdfast shell', 'open a login shell; its exit code is ours'],
    ['holdfast shell < script.sh', 'have it read commands from a file'],
  ],
  async run(context) {
    const { layout, machine, streams } = context;
    await attach(
      context,
      startIn(layout, machine),
      undefined,
      streams.stdin.isTTY ? terminalOf(streams) : undefined,
    );
  },
});
