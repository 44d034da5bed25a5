import { defineCommand } from '../../framework/command.ts';
import { setAutostart } from './switch.ts';

export const autostartEnableCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast autostart enable', 'Install a systemd unit that starts the machine']],
  output: async () => (await import('../../output/machines.ts')).autostartOutput,
  run: (context) => setAutostart(context, true),
});
