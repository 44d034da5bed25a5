import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourcesIn } from '../../support/sources.ts';

test('no unit test has a hook that runs before the tests of other files', () => {
  // half of the files share a process, and a hook outside a suite is for all of its tests
  const hooks = sourcesIn('test/unit').filter(({ lines }) =>
    lines.some((line) => /^(?:before|after)Each\(/.test(line)),
  );
  assert.deepEqual(
    hooks.map(({ path }) => path),
    [],
  );
});
