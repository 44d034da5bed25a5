import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isErrorCode } from '../../../src/base/error-codes.ts';
import { failure, HoldfastError, isFailure, misuse } from '../../../src/base/errors.ts';

test('an error with an unknown code does not compile', () => {
  const error = failure('disk.full', 'x');
  // @ts-expect-error the table has no such code
  failure('disk.ful', 'x');
  // @ts-expect-error the table has no such code
  misuse('usages', 'x');
  // @ts-expect-error the table has no such code
  new HoldfastError('system', 1, 'x');
  // @ts-expect-error the table has no such code
  assert.equal(isFailure(error, 'disk.ful'), false);
  // @ts-expect-error the table has no such code
  assert.equal(error.code === 'disk.ful', false);
  // @ts-expect-error a text of another process must be checked first
  failure(String('disk.full'), 'x');
});

test('failures are recognized by code', () => {
  const error: unknown = failure('lock.held', 'x');
  assert.equal(isFailure(error, 'lock.held'), true);
  assert.equal(isFailure(error, 'disk.full', 'lock.held'), true);
  assert.equal(isFailure(error, 'disk.full'), false);
  assert.equal(isFailure(Object.assign(new Error('x'), { code: 'lock.held' }), 'lock.held'), false);
  assert.equal(isFailure(undefined, 'lock.held'), false);
});

test('a code from another process is checked against the table', () => {
  assert.equal(isErrorCode('lock.held'), true);
  for (const text of ['lock.hel', '', 'toString', '__proto__', 1, undefined, ['lock.held']])
    assert.equal(isErrorCode(text), false, String(text));
});
