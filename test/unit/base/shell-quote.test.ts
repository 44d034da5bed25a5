import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { quoteCommand, quoteWord } from '../../../src/base/shell-quote.ts';

test('plain words stay as they are', () => {
  assert.equal(
    quoteCommand('qemu-img', ['info', '--output=json', '/a/b.c']),
    'qemu-img info --output=json /a/b.c',
  );
});

test('a shell reads back what was quoted', () => {
  const words = ['', ' ', "it's", '$(id)', 'a\nb', '"', '\\', '*', '~', '!', "''", 'é', '-n;ls', '`id`'];
  const printed = execFileSync('sh', ['-c', `printf '%s\\0' ${words.map(quoteWord).join(' ')}`], {
    encoding: 'utf8',
  });
  assert.deepEqual(printed.split('\0').slice(0, -1), words);
});
