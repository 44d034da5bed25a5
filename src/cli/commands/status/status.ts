import { unlessAborted } from '../../../base/abort.ts';
import { machineStatus } from '../../../lifecycle/status.ts';
import { defineCommand } from '../../framework/command.ts';
import { statusJson, statusText } from './text.ts';

export const statusCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [
    ['holdfast status', 'Show power state, release, slot, verified boot, address, uptime and usage'],
    ['holdfast status --machine gateway-1 --json', 'Print the state of another machine as JSON'],
  ],
  output: async () => (await import('../../output/machines.ts')).statusOutput,
  async run({ machine, output, signal }) {
    const status = await unlessAborted(machineStatus(machine), signal);
    output.result(statusJson(status), statusText(status));
  },
});
