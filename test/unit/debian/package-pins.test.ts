import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkPins, currentUntil, isEarlier, type PackagePins } from '../../../src/debian/package-pins.ts';

const pins: PackagePins = {
  least: '0.3.0-2',
  versions: { '0.3.0-2': { archive: 'aa', programs: {} }, '0.2.0-1': { archive: 'bb', programs: {} } },
};
const now = new Date('2026-11-27T00:00:00Z');

function release(...fields: readonly string[]): string {
  return `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\n${fields.join('\n')}\nSHA256:\n aa 1 x\n-----BEGIN PGP SIGNATURE-----\n\nDate: Fri, 01 Jan 2100 00:00:00 UTC\n-----END PGP SIGNATURE-----\n`;
}

const date = 'Date: Fri, 20 Nov 2026 08:08:01 UTC';
const current = release(date, 'Valid-Until: Sat, 28 Nov 2026 08:08:01 UTC');
const stale = release(date, 'Valid-Until: Thu, 26 Nov 2026 08:08:01 UTC');

test('reads until when a Release file is current from what is signed only', () => {
  assert.equal(currentUntil(current)?.toISOString(), '2026-11-28T08:08:01.000Z');
  assert.equal(currentUntil(release(date))?.toISOString(), '2026-12-04T08:08:01.000Z');
  assert.equal(currentUntil(release('Suite: sid')), undefined, 'a date after the signed text does not count');
  assert.equal(currentUntil(release('Date: yesterday')), undefined);
  assert.equal(currentUntil(`Date: Fri, 01 Jan 2100 00:00:00 UTC\n${release('Suite: sid')}`), undefined);
  assert.equal(currentUntil(''), undefined);
});

test('orders versions as Debian does', async () => {
  for (const [earlier, later] of [
    ['0.3.0-1', '0.3.0-2'],
    ['0.3.0~rc1-2', '0.3.0-2'],
    ['0.9', '0.10'],
    ['9', '1:1'],
  ] as const) {
    assert.equal(await isEarlier(earlier, later), true);
    assert.equal(await isEarlier(later, earlier), false);
  }
});

for (const [what, version, digest, file, code] of [
  ['the known version', '0.3.0-2', 'aa', current, undefined],
  ['the known version from a stale archive', '0.3.0-2', 'aa', stale, undefined],
  ['the known version with other content', '0.3.0-2', 'ab', current, 'package.digest'],
  ['an old version', '0.3.0-1', 'cc', current, 'package.outdated'],
  ['a version that sorts before the minimum', '0.3.0~evil-9', 'cc', current, 'package.outdated'],
  ['a newer version', '0.4.0-1', 'cc', current, undefined],
  ['a newer version from a stale archive', '0.4.0-1', 'cc', stale, 'package.stale'],
  ['a newer version from an archive without a date', '0.4.0-1', 'cc', release('Suite: sid'), 'package.stale'],
] as const) {
  test(`${what}: ${code ?? 'accepted'}`, async () => {
    const work = checkPins({ name: 'x', version, digest }, pins, file, now);
    if (code === undefined) await work;
    else await assert.rejects(work, { code });
  });
}
