import { tpmInformation } from '../../../lifecycle/host-tpm.ts';
import type { TpmInformation } from '../../../tpm/host/information.ts';
import { defineCommand } from '../../framework/command.ts';

export const tpmInfoCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [
    ['holdfast tpm info', 'Show what a provisioning service needs'],
    ['holdfast tpm info --json', 'Print the same as JSON'],
  ],
  output: async () => (await import('../../output/security.ts')).tpmInfoOutput,
  async run({ machine, output }) {
    const information = await tpmInformation(machine);
    const { endorsementKey, ...identity } = information;
    const { registrationId, pem, tpm2b } = endorsementKey;
    const result = { registrationId, ...identity, endorsementKey: { pem, tpm2b: tpm2b.toString('base64') } };
    output.result(result, informationText(information));
  },
});

function informationText({ endorsementKey, manufacturer, model, firmware }: TpmInformation): string {
  return [
    `registration id  ${endorsementKey.registrationId}`,
    `manufacturer     ${manufacturer} ${model}`,
    `firmware         ${firmware}`,
    'endorsement key  (TPM2B_PUBLIC in base64, then PEM)',
    endorsementKey.tpm2b.toString('base64'),
    endorsementKey.pem,
  ].join('\n');
}
