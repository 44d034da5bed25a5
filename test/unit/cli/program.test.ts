import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CommonGiven, type Request, understand } from '../../../src/cli/program.ts';
import { verbs } from '../../../src/cli/registry.ts';

async function requestOf(...words: string[]): Promise<Request> {
  const understood = await understand(words, () => {});
  assert('verb' in understood, 'expected a request');
  return understood;
}

test('common flags go before the verb or after it', async () => {
  const before = await requestOf('--machine', 'gateway', '--json', 'status');
  const after = await requestOf('status', '--machine', 'gateway', '--json');
  assert.deepEqual(before.common, { machine: 'gateway', json: true });
  assert.deepEqual(after.common, before.common);
});

test('values of flags come through unread', async () => {
  const { given } = await requestOf('deploy', '--data-size=20GB', '--cpus', 'two');
  assert.equal(given.flags.dataSize, '20GB');
  assert.equal(given.flags.cpus, 'two');
});

test('all words after the command of exec are its own', async () => {
  for (const words of [
    ['ls', '-l', '--json', '--', 'x'],
    ['--', 'ls', '-l', '--json', '--', 'x'],
  ]) {
    const { given, common } = await requestOf('exec', ...words);
    assert.deepEqual(Object.values(given.arguments), [['ls', '-l', '--json', '--', 'x']]);
    assert.equal(common.json, undefined);
  }
  assert.equal((await requestOf('exec', '--json', 'ls')).common.json, true);
});

test('what is wrong is said, with a suggestion and exit code 2', async () => {
  const cases: readonly (readonly [words: string[], message: RegExp, next: RegExp])[] = [
    [['deplyo'], /^unknown verb 'deplyo'$/, /did you mean deploy\?/],
    [['xyzzy'], /^unknown verb 'xyzzy'$/, /^`holdfast --help`/],
    [['--jsn', 'status'], /^unknown flag '--jsn'$/, /did you mean --json\?/],
    [['deploy', '--cpu', '2'], /^unknown flag '--cpu'$/, /did you mean --cpus\?/],
    [['deploy', '--cpus'], /^--cpus <N> has no value$/, /deploy --help/],
    [['status', 'extra'], /^too many arguments for 'status'/, /status --help/],
    [['copy', 'only-one'], /^missing required argument/, /copy --help/],
    [['exec'], /^missing required argument/, /exec --help/],
    [['help', 'deplyo'], /^unknown verb 'deplyo'$/, /did you mean deploy\?/],
  ];
  for (const [words, message, next] of cases) {
    const thrown = { name: 'HoldfastError', code: 'usage', exitCode: 2, message, next };
    await assert.rejects(
      understand(words, () => {}),
      thrown,
      words.join(' '),
    );
  }
});

test('--json is known also when the rest is wrong', async () => {
  let common: Partial<CommonGiven> = {};
  const words = ['status', '--no-such', '--json'];
  await assert.rejects(understand(words, (found) => Object.assign(common, found)));
  assert.equal(common.json, true);
  common = {};
});

test('help and version are answers, no verb is a mistake', async () => {
  const help = await understand(['--help'], () => {});
  assert('text' in help && help.exitCode === 0);
  for (const name of Object.keys(verbs))
    assert.match(help.text, new RegExp(`^  ${name.split(' ')[0]} `, 'm'));
  const version = await understand(['--version'], () => {});
  assert('text' in version && /^\d+\.\d+\.\d+\n$/.test(version.text));
  const nothing = await understand([], () => {});
  assert('text' in nothing && nothing.exitCode === 2);
});

test('the help of every verb shows examples that are understood', async () => {
  for (const [name, { load }] of Object.entries(verbs)) {
    const help = await understand(['help', ...name.split(' ')], () => {});
    assert('text' in help && help.exitCode === 0, name);
    const { verb } = await load();
    assert(verb.examples.length > 0, `${name} has no example`);
    for (const [line] of verb.examples) {
      assert(help.text.includes(line), line);
      const [program, ...words] = line.split(' ');
      const isPlain = program === 'holdfast' && !/['"|<>$]/.test(line);
      if (isPlain) assert((await requestOf(...words)).verb === verb, line);
    }
  }
});
