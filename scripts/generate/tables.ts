import type { Claim } from '../../src/audit/claim.ts';
import { claims } from '../../src/audit/claims.ts';
import { kernelSettings } from '../../src/audit/kernel-settings.ts';
import { allowedCommands } from '../../src/tpm/broker/allowed-commands.ts';
import { deniedCommands } from '../../src/tpm/broker/denied-commands.ts';
import { markdownTable, replacePart } from './markdown.ts';

/** The commands that the TPM broker allows and denies. */
export const brokerPage = {
  path: 'docs/reference/tpm-broker.md',
  make(page: string): string {
    const allowed = allowedCommands.map(({ name, code, reason }) => [
      `\`${name}\``,
      `0x${code.toString(16)}`,
      reason,
    ]);
    const denied = [...Map.groupBy(deniedCommands, ({ reason }) => reason)].map(([reason, commands]) => [
      reason,
      commands.map(({ name }) => `\`${name}\``).join(', '),
    ]);
    const others = ["unknown, or a vendor's own", 'all others'];
    return replacePart(
      replacePart(page, 'allowed commands', markdownTable(['command', 'code', 'reason'], allowed)),
      'denied commands',
      markdownTable(['reason', 'commands'], [...denied, others]),
    );
  },
};

/** Returns the table of the audit's claims from one source: those of the document, or Holdfast's own. */
function claimTable(source: Claim['source']): string {
  const rows = claims
    .filter((claim) => claim.source === source)
    .map(({ id, sentence, where, since, looksAt, fooledBy, notStopped }) => [
      `\`${id}\``,
      ...[sentence, where, since, looksAt, fooledBy, notStopped],
    ]);
  const heading = [
    'check',
    'statement',
    'where checked',
    'since',
    'looks at',
    'could be fooled by',
    'not covered',
  ];
  return markdownTable(heading, rows);
}

/** The claims of the audit. */
export const claimsPage = {
  path: 'docs/reference/audit.md',
  make(page: string): string {
    const document = replacePart(page, 'claims', claimTable('EFLOW'));
    const settings = Object.entries(kernelSettings).map(([key, value]) => [
      `\`${key}\``,
      `\`${value.replaceAll('|', '\\|')}\``,
    ]);
    return replacePart(
      replacePart(document, 'own claims', claimTable('Holdfast')),
      'kernel settings',
      markdownTable(['setting', 'expected value'], settings),
    );
  },
};
