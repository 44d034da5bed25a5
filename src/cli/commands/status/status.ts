import { machineStatus } from '../../../lifecycle/status.ts';
import { defineCommand } from '../../framework/command.ts';
import { statusText } from './text.ts';

export const statusCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [
    ['holdfast status', 'Show power state, release, slot, verified boot, address, uptime and usage'],
    ['holdfast status --machine gateway-1 --json', 'Print the state of another machine as JSON'],
  ],
  async run({ machine, output }) {
    const status = await machineStatus(machine);
    output.result(status, statusText(status));
  },
});
