import { defineCommand } from '../../framework/command.ts';
import { printVerity } from './text.ts';

export const verityStatusCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast verity status', 'Show what runs now and what the next start does']],
  output: async () => (await import('../../output/security.ts')).verityOutput,
  run: (context) => printVerity(context, false),
});
