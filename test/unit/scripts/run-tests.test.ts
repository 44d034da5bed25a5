import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { longest, longestFirst } from '../../../scripts/run-tests.ts';

test('runs the longest files first, and each file once', () => {
  const [first = '', second = ''] = longest;
  assert.deepEqual(longestFirst(['test/b', second, 'test/a', first]), [first, second, 'test/a', 'test/b']);
});

test('lists files that exist', () => {
  const project = resolve(import.meta.dirname, '../../..');
  assert.deepEqual(
    longest.filter((file) => !existsSync(resolve(project, file))),
    [],
  );
});
