import { showTpmStatus } from './tpm-status-text.ts';
import { defineVerb } from './verb.ts';

export const verb = defineVerb({
  arguments: {},
  flags: {},
  examples: [['holdfast tpm status', "show whether the machine can use the host's TPM, and how that is"]],
  run: (context) => showTpmStatus(context, false),
});
