import { defineCommand } from '../../framework/command.ts';
import { setIpe } from './text.ts';

export const ipeAuditCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast ipe audit', 'Let unsigned programs run and log each in the journal']],
  output: async () => (await import('../../output/security.ts')).ipeOutput,
  run: (context) => setIpe(context, 'audit'),
});
