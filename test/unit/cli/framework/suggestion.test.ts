import assert from 'node:assert/strict';
import { test } from 'node:test';
import { suggestionFor } from '../../../../src/cli/framework/suggestion.ts';

const words = ['deploy', 'status', 'start', 'stop', 'update', 'audit', 'set'];

test('suggests the nearest word', () => {
  for (const [typed, expected] of [
    ['deplyo', 'deploy'],
    ['udpate', 'update'],
    ['stat', 'start'],
    ['stauts', 'status'],
    ['audti', 'audit'],
    ['updates', 'update'],
  ] as const)
    assert.equal(suggestionFor(typed, words), expected, typed);
});

test('suggests the only word that begins like this', () => {
  assert.equal(suggestionFor('upd', words), 'update');
  assert.equal(suggestionFor('au', words), undefined);
  assert.equal(suggestionFor('rel', ['release', 'reload']), undefined);
});

test('suggests nothing when no word is near', () => {
  for (const typed of ['', 'x', 'xyzzy', 'configure', 'up'])
    assert.equal(suggestionFor(typed, words), undefined, typed);
});
