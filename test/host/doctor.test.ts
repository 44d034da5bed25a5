import assert from 'node:assert/strict';
import { test } from 'node:test';
import { examineHost } from '../../src/machine/doctor.ts';
import { homeLayout } from '../../src/machine/home.ts';
import { hostChecks } from '../../src/machine/host-checks.ts';

test('a home whose sockets would have too long a path is found out', async () => {
  const channel = (home: string) =>
    examineHost(hostChecks(homeLayout(home)).filter(({ name }) => name === 'private channel'));
  const [long] = await channel(`/${'x'.repeat(60)}`);
  assert.equal(long?.verdict, 'missing');
  assert.match(long?.mend ?? '', /HOLDFAST_HOME/);
  const [short] = await channel('/h');
  assert.notEqual(short?.verdict, 'missing');
});
