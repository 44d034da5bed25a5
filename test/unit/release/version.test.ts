import assert from 'node:assert/strict';
import { test } from 'node:test';
import { updateStatusText } from '../../../src/cli/commands/update/text.ts';
import { lockedVersion, nextVersion } from '../../../src/release/build/version.ts';
import { releaseManifest } from '../../../src/release/manifest.ts';
import { compareVersions } from '../../../src/repository/compare.ts';

const epoch = Date.UTC(2026, 10, 26, 12) / 1000;

test('builds of one day have different versions, each newer than the last and older than the next day', () => {
  const versions: string[] = [];
  for (let build = 0; build < 12; build++) versions.push(nextVersion('13.8', epoch, versions).text);
  versions.push(
    nextVersion('13.8', epoch + 86_400, versions).text,
    nextVersion('13.9', epoch, versions).text,
  );
  assert.deepEqual(versions.slice(0, 3), ['13.8.20261126', '13.8.20261126.1', '13.8.20261126.2']);
  assert.deepEqual(versions.slice(-2), ['13.8.20261127', '13.9.20261126']);
  assert.deepEqual(versions.toReversed().sort(compareVersions), versions);
  for (const version of versions) releaseManifest.shape.version.parse(version);
});

test('other versions do not count, and a lock repeats its build', () => {
  const others = ['', 'x', '13.8.20261125.7', '13.8.202611261', '13.8.20261126.x', '3.8.20261126.9'];
  assert.deepEqual(nextVersion('13.8', epoch, others), { text: '13.8.20261126' });
  assert.deepEqual(lockedVersion('13.8', epoch, undefined), { text: '13.8.20261126' });
  assert.deepEqual(lockedVersion('13.8', epoch, 3), { text: '13.8.20261126.3', build: 3 });
});

test('slots with the same version and different content show their digests', () => {
  const status = { phase: 'committed', committed: 'A', running: 'A' } as const;
  const [first, second] = ['1'.repeat(64), '2'.repeat(64)] as never[];
  const text = (a: string, b: string, digests: readonly never[]) =>
    updateStatusText({ ...status, slots: { A: a, B: b }, digests: { A: digests[0], B: digests[1] } });
  assert.match(
    text('13.1', '13.1', [first, second] as never[]),
    /slot A {2}13\.1 1{12} .*\nslot B {2}13\.1 2{12}$/s,
  );
  assert.doesNotMatch(text('13.1', '13.2', [first, second] as never[]), /1{12}/);
});
