import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIndexTargets } from '../../../src/debian/mirror.ts';

const lines = (...rows: string[][]) => `${rows.map((row) => row.join('\t')).join('\n')}\n`;

test('labels distinguish the main and the security archive', () => {
  const text = lines(
    ['Vendor', 'tools', 'https://vendor.example/apt/'],
    ['Debian', 'Debian-Security', 'http://mirror.example/debian-security/'],
    ['Debian', 'Debian', 'http://mirror.example/debian/'],
    ['Debian', 'Debian', 'http://second.example/debian/'],
  );
  assert.deepEqual(parseIndexTargets(text), {
    archive: 'http://mirror.example/debian',
    security: 'http://mirror.example/debian-security',
  });
});

test('a host without the security archive has only the main one', () => {
  const text = lines(['Debian', 'Debian', 'http://mirror.example/debian/']);
  assert.deepEqual(parseIndexTargets(text), { archive: 'http://mirror.example/debian', security: undefined });
});

test('other distributions, backports, discs and malformed lines are not mirrors of Debian', () => {
  for (const text of [
    '',
    'no tabs here\n',
    lines(['Ubuntu', 'Ubuntu', 'http://mirror.example/ubuntu/']),
    lines(['Debian Backports', 'Debian Backports', 'http://mirror.example/debian/']),
    lines(['Debian', 'Debian', 'cdrom://[Debian GNU/Linux 13]/']),
    lines(['Debian', 'Debian', 'not a URI']),
    lines(['Debian', 'Debian-Security', 'http://mirror.example/debian-security/']),
  ]) {
    assert.equal(parseIndexTargets(text), undefined, JSON.stringify(text));
  }
});
