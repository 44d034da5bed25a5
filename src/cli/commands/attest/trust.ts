import { machineTrust } from '../../../attestation/attest.ts';
import { defineCommand } from '../../framework/command.ts';

export const attestTrustCommand = defineCommand({
  description: 'Transfer the output over a trusted channel: `holdfast attest verify` relies on it.',
  arguments: {},
  flags: {},
  examples: [['holdfast attest trust >gateway.trust', 'Save what another host needs for `attest verify`']],
  output: async () => (await import('../../output/security.ts')).attestTrustOutput,
  async run({ machine, output }) {
    const trust = await machineTrust(machine);
    output.result(trust, JSON.stringify(trust, null, 1));
  },
});
