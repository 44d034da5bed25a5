import assert from 'node:assert/strict';
import { test } from 'node:test';
import { suiteDate } from '../../../src/debian/sources.ts';

test("a suite's date comes from its Release file", () => {
  assert.equal(suiteDate('Suite: stable\nDate: Sat, 21 Nov 2026 02:10:46 UTC\n'), 1_795_227_046);
  assert.throws(() => suiteDate('<html>'), { code: 'release.mirror' });
});
