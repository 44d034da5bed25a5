import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { test } from 'node:test';
import { z } from 'zod';
import { isErrorCode } from '../../../src/base/error-codes.ts';
import { describe, failure, HoldfastError, isFailure, misuse } from '../../../src/base/errors.ts';

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

test('an error is described by what failed and why', () => {
  const full = failure('disk.full', 'cannot grow', { why: '2 GB are needed', next: 'free some', cause: 'x' });
  assert.equal(describe(full), 'cannot grow: 2 GB are needed');
  assert.equal(describe(full, { next: true }), 'cannot grow: 2 GB are needed (free some)');
  assert.equal(describe(failure('disk.full', 'cannot grow'), { next: true }), 'cannot grow');
  assert.equal(describe('a text\nof two lines'), 'a text');
});

test('causes replace a missing reason', () => {
  const refused = new Error('connection refused');
  assert.equal(
    describe(
      failure('disk.full', 'cannot write', { cause: new TypeError('fetch failed', { cause: refused }) }),
    ),
    'cannot write: fetch failed: connection refused',
  );
  const wrapped = failure('usage', '--size: no number', { cause: misuse('usage.number', 'no number') });
  assert.equal(describe(wrapped), '--size: no number');
  const loop = new Error('round');
  loop.cause = new Error('and round', { cause: loop });
  assert.equal(describe(loop), 'round: and round');
});

test('all errors of an AggregateError are described', async () => {
  const both = new AggregateError([misuse('limit.cpus', 'no CPUs'), new Error('no memory')], '2 values');
  assert.equal(describe(both), '2 values: no CPUs; no memory');
  assert.equal(describe(new AggregateError([new Error('a'), new Error('a')])), 'a');
});

test('a system error is described with its code and path', async () => {
  const missing = await readFile('/nonexistent/file').catch((error: unknown) => error);
  assert.equal(describe(missing), "ENOENT: no such file or directory, open '/nonexistent/file'");
  const bare = Object.assign(new Error('no such entry'), { code: 'ENOENT', path: '/a' });
  assert.equal(describe(bare), 'no such entry (ENOENT) (/a)');
  const refused = await new Promise((resolve) =>
    connect({ path: '/nonexistent/socket' }).on('error', resolve),
  );
  assert.match(describe(refused), /ENOENT.*\/nonexistent\/socket/);
});

test('the issues of zod are one bounded line', () => {
  const parse = (value: unknown) => z.object({ a: z.object({ b: z.int() }) }).safeParse(value).error;
  assert.match(describe(parse({ a: { b: 'x' } })), /^a\.b: [^\n]+$/);
  assert.match(describe(parse(1)), /^Invalid input[^\n]+$/);
  const many = z.array(z.int()).safeParse(Array.from({ length: 10 }, () => 'x')).error;
  assert.match(describe(many), /^0: .*; 1: .*; 2: .*; and 7 more$/);
});

test('no reason is empty', () => {
  const nothings = [undefined, null, '', ' \n', new Error(''), new Error('\n'), new TypeError(''), {}, []];
  const empty = [new AggregateError([]), new AggregateError([new Error('')], ''), failure('internal', '')];
  for (const error of [...nothings, ...empty, new Error('', { cause: '' })]) {
    assert.match(describe(error), /^\S.*$/);
    assert.match(describe(failure('internal', 'x', { why: '', cause: error })), /^x: \S.*$|^x$/);
  }
});
