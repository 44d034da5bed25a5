import { machineStatus } from '../machine/status.ts';
import { statusText } from './status-text.ts';
import { defineVerb } from './verb.ts';

export const verb = defineVerb({
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
