import { defineCommand } from '../../framework/command.ts';
import { printVerity } from './text.ts';

export const verityStatusCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast verity status', 'Show what runs now and what the next start does']],
  run: (context) => printVerity(context, false),
});
