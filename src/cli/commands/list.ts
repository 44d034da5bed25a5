import { unlessAborted } from '../../base/abort.ts';
import { HoldfastError } from '../../base/errors.ts';
import type { MachineStatus } from '../../lifecycle/status.ts';
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
    const asked = Promise.allSettled(names.map((name) => statusOf(new Machine(home, name))));
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

/** Loads what reads a status only for a machine: an empty list does without. */
async function statusOf(machine: Machine): Promise<MachineStatus> {
  const { machineStatus } = await import('../../lifecycle/status.ts');
  return machineStatus(machine);
}

function asHoldfast(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  throw error;
}
