import { claims } from '../../src/audit/claims.ts';
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

/** The claims of the audit. */
export const claimsPage = {
  path: 'docs/reference/audit.md',
  make(page: string): string {
    const rows = claims.map(({ id, sentence, where, since, notStopped }) => [
      `\`${id}\``,
      sentence,
      where,
      since,
      notStopped,
    ]);
    const heading = ['check', 'statement of the document', 'where checked', 'since', 'not covered'];
    return replacePart(page, 'claims', markdownTable(heading, rows));
  },
};
