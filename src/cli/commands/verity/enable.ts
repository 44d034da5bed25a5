import { chooseNextStart } from '../../../lifecycle/boot-options.ts';
import { machineStatus } from '../../../lifecycle/status.ts';
import { defineCommand } from '../../framework/command.ts';
import { printVerity } from './text.ts';

export const verityEnableCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast verity enable', 'Verify every block of the root again, from the next start']],
  output: async () => (await import('../../output/security.ts')).verityOutput,
  async run(context) {
    const { machine } = context;
    await machineStatus(machine); // fails when there is no such machine
    await printVerity(context, await chooseNextStart(machine, { verity: 'on' }));
  },
});
