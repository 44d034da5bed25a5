import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePackages, pinPreferences } from '../../../src/debian/package-list.ts';

const listed = [
  'zlib1g\t1:1.3.dfsg+really1.3.1-1\tamd64\tzlib\t1:1.3.dfsg+really1.3.1-1\tinstalled',
  'libstdc++6\t14.2.0-19\tamd64\tgcc-14\t14.2.0-19\tinstalled',
  'dpkg\t1.22.21\tamd64\tdpkg\t1.22.21\tinstalled',
].join('\n');

test('packages are parsed strictly and sorted', () => {
  assert.deepEqual(
    parsePackages(listed, new Set(['dpkg'])).map(({ name, takenOut }) => [name, takenOut]),
    [
      ['dpkg', true],
      ['libstdc++6', false],
      ['zlib1g', false],
    ],
  );
  const wrong = [
    listed.replace('installed', 'half-configured'),
    listed.replace('1:1.3', '$(reboot)'),
    listed.replace('\tamd64', ''),
  ];
  for (const text of wrong) assert.throws(() => parsePackages(text, new Set()), { code: 'release.packages' });
});

test('every version is pinned', () => {
  const pinned = parsePackages(listed, new Set());
  assert.match(pinPreferences(pinned), /Package: dpkg\nPin: version 1\.22\.21\nPin-Priority: 1001\n/);
  assert.equal(pinPreferences(pinned).match(/^Package: /gm)?.length, pinned.length);
});
