import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkArbitrary } from '../support/tpm-fuzz.ts';

test('judges a million damaged commands correctly with constant memory', () => {
  const before = process.memoryUsage.rss();
  let passed = 0;
  for (let seed = 0; seed < 20; seed++) passed += checkArbitrary(50_000, seed);
  assert.ok(passed > 100_000, `only ${passed} passed: the others prove little`);
  assert.ok(process.memoryUsage.rss() - before < 200 * 1024 * 1024);
});
