import { defineCommand } from '../../framework/command.ts';
import { printIpe } from './text.ts';

export const ipeStatusCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast ipe status', 'Show what the kernel does now and after the next start']],
  output: async () => (await import('../../output/security.ts')).ipeOutput,
  run: (context) => printIpe(context, false),
});
