import { machineStatus } from '../../../lifecycle/status.ts';
import { defineCommand } from '../../framework/command.ts';
import { statusText } from './text.ts';

export const statusCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [
    [
      'holdfast status',
      'show power state, release, slot, verified boot, address, uptime, memory and disk use',
    ],
    ['holdfast status --machine gateway-1 --json', 'the same of another machine, for programs'],
  ],
  async run({ machine, layout, output }) {
    const status = await machineStatus(layout, machine);
    output.result(status, statusText(status));
  },
});
