import { HoldfastError } from '../../base/errors.ts';
import { machineStatus } from '../../lifecycle/status.ts';
import { machineNames } from '../../machine/configuration.ts';
import { defineCommand, throwAll } from '../framework/command.ts';
import { listText } from './status/text.ts';

export const listCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast list', 'List all machines of this user']],
  async run({ layout, output }) {
    const names = await machineNames(layout);
    const results = await Promise.allSettled(names.map((name) => machineStatus(layout, name)));
    const machines = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    output.result({ machines }, listText(machines));
    // a damaged machine does not hide the others
    throwAll(results.flatMap((result) => (result.status === 'rejected' ? [asHoldfast(result.reason)] : [])));
  },
});

function asHoldfast(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  throw error;
}
