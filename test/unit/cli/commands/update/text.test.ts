import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bytes } from '../../../../../src/base/size.ts';
import { previewText, resultText } from '../../../../../src/cli/commands/update/text.ts';

const done = { version: '13.2', steps: ['stage' as const], written: 0 as Bytes, runs: true };

test('an update reports the slot of the release and the steps that it took', () => {
  assert.equal(resultText('apply', done), '13.2 is running and committed');
  assert.equal(resultText('apply', { ...done, steps: [] }), '13.2 is already running');
  assert.equal(resultText('stage', { ...done, runs: false }), '13.2 is in the inactive slot');
  assert.equal(resultText('stage', { ...done, runs: false, steps: [] }), '13.2 is in the inactive slot');
  assert.equal(resultText('stage', { ...done, steps: [] }), '13.2 is already running');
  assert.equal(resultText('commit', undefined), 'no trial is in progress');
  assert.equal(resultText('rollback', undefined), 'the trial was cancelled');
});

test('the preview of an update to the running release depends on the phase', () => {
  const preview = {
    running: '13.2',
    version: '13.2',
    isThere: true,
    fetch: undefined,
    packages: [],
    conflicts: [],
  };
  assert.equal(
    previewText({ ...preview, phase: 'committed' }),
    '13.2 is already running: there is nothing to do',
  );
  assert.match(
    previewText({ ...preview, phase: 'trial' }),
    /it would be checked and, if it passes, committed$/,
  );
  assert.match(
    previewText({ ...preview, phase: 'finalized' }),
    /the pending trial of another release would be cancelled$/,
  );
});
