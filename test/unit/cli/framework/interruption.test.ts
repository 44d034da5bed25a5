import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { test } from 'node:test';
import { watchInterruption } from '../../../../src/cli/framework/interruption.ts';

test('the first signal aborts and gives the exit code; the next is left to the system', () => {
  const source = new EventEmitter();
  const { signal, exitCode } = watchInterruption(source, new PassThrough());
  assert.equal(exitCode(), undefined);
  source.emit('SIGTERM', 'SIGTERM');
  assert.equal(signal.aborted, true);
  assert.match(String(signal.reason), /SIGTERM/);
  assert.equal(exitCode(), 143);
  assert.deepEqual(
    ['SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => source.listenerCount(name)),
    [0, 0, 0],
  );
});

test('Ctrl-C is exit code 130', () => {
  const source = new EventEmitter();
  const { exitCode } = watchInterruption(source, new PassThrough());
  source.emit('SIGINT', 'SIGINT');
  assert.equal(exitCode(), 130);
});

test('a closed pipe ends quietly', () => {
  const output = new PassThrough();
  const { signal, exitCode } = watchInterruption(new EventEmitter(), output);
  output.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  assert.equal(signal.aborted, true);
  assert.equal(exitCode(), 141);
});

test('any other error of the output fails the command', async () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  const output = new Writable({ write: (_chunk, _encoding, done) => done(full) });
  const { signal, exitCode, requireWritten } = watchInterruption(new EventEmitter(), output);
  await watchInterruption(new EventEmitter(), new PassThrough()).requireWritten();
  output.write('result');
  await assert.rejects(requireWritten(), { code: 'output.failed', exitCode: 1, why: /ENOSPC/ });
  assert.equal(signal.aborted, true);
  assert.equal(exitCode(), undefined);
});
