import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sortWords, takesNextWord } from '../../../../src/cli/framework/flag-words.ts';
import { anyText, setting, toggle } from '../../../../src/cli/framework/parameters.ts';

const flags = { dataSize: setting('SIZE', 'size', anyText), force: toggle('at once') };

test('a value follows its flag, as the next word or after =', () => {
  for (const words of [
    ['--data-size', '2GB'],
    ['--data-size=2GB'],
    ['--data-size', '1GB', '--data-size=2GB'],
  ])
    assert.deepEqual(sortWords(words, flags).flags, { dataSize: '2GB' });
  assert.equal(sortWords(['--data-size='], flags).flags.dataSize, '');
  assert.equal(sortWords(['--data-size=a=b\nc'], flags).flags.dataSize, 'a=b\nc');
  assert.equal(sortWords(['--data-size', '--force'], flags).flags.dataSize, '--force');
});

test('every command takes the common flags and asks for help', () => {
  const words = ['--machine', 'm', '--json', '-h'];
  assert.deepEqual(sortWords(words, {}).flags, { machine: 'm', json: true, help: true });
});

test('names each wrong flag, and still reads the others', () => {
  const { flags: values, problems } = sortWords(['--forc', '--force=yes', '--json', '--data-size'], flags);
  assert.deepEqual(values, { json: true });
  assert.deepEqual(problems, [
    { kind: 'unknown', flag: '--forc' },
    { kind: 'unwanted value', flag: '--force' },
    { kind: 'no value', flag: '--data-size SIZE' },
  ]);
});

test('words after -- are operands, and so is a single hyphen', () => {
  assert.deepEqual(sortWords(['-', '--force', '--', '--json', '--'], flags), {
    flags: { force: true },
    operands: ['-', '--json', '--'],
    problems: [],
  });
});

test('inherited property names are no flags', () => {
  for (const flag of ['--constructor', '--to-string', '--__proto__'])
    assert.deepEqual(sortWords([flag], flags).problems, [{ kind: 'unknown', flag }]);
});

test('reads no flags after the first operand of a command that passes words through', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.constantFrom('--json', '--', '-h', '--data-size'))),
      (rest) => {
        const { operands, problems } = sortWords(['--force', 'ls', ...rest], flags, true);
        assert.deepEqual(operands, ['ls', ...rest]);
        assert.deepEqual(problems, []);
      },
    ),
  );
});

test('whether a flag takes the next word', () => {
  assert.equal(takesNextWord('--data-size', flags), true);
  assert.equal(takesNextWord('--data-size=1', flags), false);
  assert.equal(takesNextWord('--force', flags), false);
  assert.equal(takesNextWord('--machine', flags), true);
  assert.equal(takesNextWord('--other', flags), undefined);
});
