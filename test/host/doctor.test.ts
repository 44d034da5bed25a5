import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostChecks } from '../../src/host/checks.ts';
import { examineHost } from '../../src/host/doctor.ts';
import { homeAt } from '../../src/machine/paths.ts';

test('reports a home whose socket paths would be too long', async () => {
  const socketPaths = (home: string) =>
    examineHost(hostChecks(homeAt(home)).filter(({ name }) => name === 'socket paths'));
  const [long] = await socketPaths(`/${'x'.repeat(70)}`);
  assert.equal(long?.verdict, 'missing');
  assert.match(long?.remedy ?? '', /HOLDFAST_HOME/);
  const [tight] = await socketPaths(`/${'x'.repeat(60)}`);
  assert.equal(tight?.verdict, 'warning', 'room for a machine named default, and no longer name');
  const [short] = await socketPaths('/h');
  assert.equal(short?.verdict, 'ok');
});
