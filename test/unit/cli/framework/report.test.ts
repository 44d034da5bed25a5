import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { failure, misuse } from '../../../../src/base/errors.ts';
import { report } from '../../../../src/cli/framework/report.ts';

function reported(error: unknown, json = false): { text: string; exitCode: number } {
  const stream = new PassThrough();
  const exitCode = report(error, stream, json);
  return { text: String(stream.read()), exitCode };
}

test('an error is three lines: what, why, what next', () => {
  const error = failure('disk.full', 'the disk could not be made', { why: 'no space', next: 'free some' });
  assert.deepEqual(reported(error), {
    text: 'error: the disk could not be made\n  why:  no space\n  next: free some\n',
    exitCode: 1,
  });
});

test('with --json an error is a list on one line', () => {
  const { text, exitCode } = reported(misuse('usage', 'what', { next: 'do' }), true);
  assert.equal(exitCode, 2);
  assert.equal(text.split('\n').length, 2);
  assert.deepEqual(JSON.parse(text), { errors: [{ code: 'usage', message: 'what', next: 'do' }] });
});

test('reports all of several errors; a failure among them determines the exit code', () => {
  const first = misuse('usage.number', 'first');
  const second = misuse('usage.choice', 'second');
  assert.equal(reported(new AggregateError([first, second])).text, 'error: first\nerror: second\n');
  assert.equal(reported(new AggregateError([first, second])).exitCode, 2);
  assert.equal(reported(new AggregateError([first, failure('disk.full', 'third')])).exitCode, 1);
});

test('errors of the operating system are explained', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  assert.match(
    reported(full).text,
    /^error: no space is left on the disk\n {2}why: {2}ENOSPC.*\n {2}next: free/,
  );
  const file = Object.assign(new Error("ENOTDIR: not a directory, scandir '/etc/hosts/machines'"), {
    code: 'ENOTDIR',
  });
  assert.match(
    reported(file).text,
    /^error: a part of a path is not a directory\n {2}why: {2}ENOTDIR.*machines'\n {2}next: set HOLDFAST_HOME/,
  );
  const locked = Object.assign(new Error('EPERM: operation not permitted, unlink'), { code: 'EPERM' });
  assert.match(reported(locked).text, /^error: the operating system .*\n {2}why: {2}EPERM/);
});

test('a defect is reported as an internal error, without its stack', () => {
  const { text, exitCode } = reported(new TypeError('x is not a function'));
  assert.equal(exitCode, 1);
  assert.match(text, /internal error/);
  assert.match(text, /--debug/);
  assert.doesNotMatch(text, /\bat .*:\d+/);
  assert.equal(reported('a string').exitCode, 1);
});

test('a quoted file or guest cannot control the terminal', () => {
  const { text } = reported(
    failure('internal', 'a\u001b[2Kb', { why: 'c\rd\u009b1A', next: 'two\nlines\tof' }),
  );
  assert.equal(text, 'error: a\ufffd[2Kb\n  why:  c\ufffdd\ufffd1A\n  next: two\nlines\tof\n');
});
