import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { allowedCommands } from '../../../../src/tpm/broker/allowed-commands.ts';
import { deniedCommands } from '../../../../src/tpm/broker/denied-commands.ts';

test('docs/reference/tpm-broker.md explains each command as the tables do', async () => {
  const text = await readFile(join(import.meta.dirname, '../../../../docs/reference/tpm-broker.md'), 'utf8');
  const rows = text.split('\n');
  const shown = rows.filter((row) => /^\| `\w+` \| 0x/.test(row));
  assert.deepEqual(
    shown,
    allowedCommands.map(({ name, code, reason }) => `| \`${name}\` | 0x${code.toString(16)} | ${reason} |`),
  );
  for (const [reason, commands] of Map.groupBy(deniedCommands, (command) => command.reason)) {
    const row = `| ${reason} | ${commands.map(({ name }) => `\`${name}\``).join(', ')} |`;
    assert.ok(rows.includes(row), row);
  }
});
