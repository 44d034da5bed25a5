import { defineCommand } from '../../framework/command.ts';
import { setAutostart } from './switch.ts';

export const autostartDisableCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast autostart disable', 'Remove the systemd unit; a running machine keeps running']],
  run: (context) => setAutostart(context, false),
});
