import { switchAutostart } from '../../lifecycle/autostart.ts';
import { defineVerb, oneOf, required } from '../framework/command.ts';

export const verb = defineVerb({
  arguments: {
    wish: required(
      'enable|disable',
      'whether the machine comes up with this host',
      oneOf('enable', 'disable'),
    ),
  },
  flags: {},
  examples: [
    ['holdfast autostart enable', 'start the machine with this host, through a systemd unit'],
    ['holdfast autostart disable', 'remove that unit; a machine that runs goes on'],
  ],
  async run({ machine, layout, arguments: { wish }, output }) {
    const changed = await switchAutostart(layout, machine, wish === 'enable');
    const state = wish === 'enable' ? 'comes up with this host' : 'does not come up with this host';
    output.result({ machine, autostart: wish === 'enable', changed }, `${machine} ${state}`);
  },
});
