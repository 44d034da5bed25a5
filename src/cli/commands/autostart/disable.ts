import { defineCommand } from '../../framework/command.ts';
import { setAutostart } from './switch.ts';

export const autostartDisableCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast autostart disable', 'Remove the systemd unit; a running machine keeps running']],
  output: async () => (await import('../../output/machines.ts')).autostartOutput,
  run: (context) => setAutostart(context, false),
});
