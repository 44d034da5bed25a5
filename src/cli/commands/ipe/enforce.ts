import { defineCommand } from '../../framework/command.ts';
import { setIpe } from './text.ts';

export const ipeEnforceCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [
    ['holdfast ipe enforce', 'Block and log unsigned programs, including those of ordinary containers'],
  ],
  output: async () => (await import('../../output/security.ts')).ipeOutput,
  run: (context) => setIpe(context, 'enforce'),
});
