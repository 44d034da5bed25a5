import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostChecks } from '../../src/host/checks.ts';
import { examineHost } from '../../src/host/doctor.ts';
import { homeLayout } from '../../src/machine/paths.ts';

test('a home whose sockets would have too long a path is found out', async () => {
  const channel = (home: string) =>
    examineHost(hostChecks(homeLayout(home)).filter(({ name }) => name === 'private channel'));
  const [long] = await channel(`/${'x'.repeat(60)}`);
  assert.equal(long?.verdict, 'missing');
  assert.match(long?.mend ?? '', /HOLDFAST_HOME/);
  const [short] = await channel('/h');
  assert.notEqual(short?.verdict, 'missing');
});
