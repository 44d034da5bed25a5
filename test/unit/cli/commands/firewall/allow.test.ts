import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firewallAllowCommand } from '../../../../../src/cli/commands/firewall/allow.ts';
import type { Context } from '../../../../../src/cli/framework/command.ts';

test('all errors are reported at once, without a machine', async () => {
  const given = { arguments: { service: ['tcp/0'] }, flags: { from: 'me', comment: '' } };
  await assert.rejects(firewallAllowCommand.run(given, {} as Context<unknown>), (error) => {
    assert.ok(error instanceof AggregateError);
    assert.deepEqual(
      error.errors.map(({ code }: { code: string }) => code),
      ['firewall.service', 'firewall.source', 'firewall.comment'],
    );
    return true;
  });
});
