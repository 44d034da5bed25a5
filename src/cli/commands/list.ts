import { unlessAborted } from '../../base/abort.ts';
import { HoldfastError } from '../../base/errors.ts';
import { machineStatus } from '../../lifecycle/status.ts';
import { machineNames } from '../../machine/list.ts';
import { Machine } from '../../machine/machine.ts';
import { defineCommand, throwAll } from '../framework/command.ts';
import { withMachine } from '../framework/report.ts';
import { listText, statusJson } from './status/text.ts';

export const listCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast list', 'List all machines of this user']],
  output: async () => (await import('../output/machines.ts')).listOutput,
  async run({ home, output, signal }) {
    const names = await machineNames(home);
    const asked = Promise.allSettled(names.map((name) => machineStatus(new Machine(home, name))));
    const results = await unlessAborted(asked, signal);
    const machines = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    output.result({ machines: machines.map(statusJson) }, listText(machines));
    // a damaged machine does not hide the others
    throwAll(
      results.flatMap((result, index) =>
        result.status === 'rejected' ? [withMachine(asHoldfast(result.reason), names[index])] : [],
      ),
    );
  },
});

function asHoldfast(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  throw error;
}
