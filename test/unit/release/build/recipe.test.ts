import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandLine } from '../../../../src/release/build/recipe.ts';

test('the command line has the parameters of the architecture', () => {
  assert.deepEqual(commandLine.slice(0, 5), [
    'console=ttyS0',
    'quiet',
    'panic=5',
    'oops=panic',
    'tsc=reliable',
  ]);
  assert.deepEqual(commandLine.slice(-2), ['ia32_emulation=0', 'systemd.firstboot=off']);
});
