import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listEntries, loadCommands } from '../../../src/cli/framework/command-table.ts';
import type { CommonGiven } from '../../../src/cli/framework/common-flags.ts';
import { type CommandLine, understand } from '../../../src/cli/program.ts';
import { commands } from '../../../src/cli/registry.ts';

async function requestOf(...words: string[]): Promise<CommandLine> {
  const understood = await understand(words, () => {});
  assert('command' in understood, 'expected a request');
  return understood;
}

test('common flags go before the command or after it', async () => {
  const before = await requestOf('--machine', 'gateway', '--json', 'status');
  const after = await requestOf('status', '--machine', 'gateway', '--json');
  assert.deepEqual(before.common, { machine: 'gateway', json: true, debug: undefined });
  assert.deepEqual(after.common, before.common);
});

test('values of flags are passed on unparsed', async () => {
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

test('usage errors have a suggestion and exit code 2', async () => {
  const cases: readonly (readonly [words: string[], message: RegExp, next: RegExp])[] = [
    [['deplyo'], /^unknown command 'deplyo'$/, /did you mean deploy\?/],
    [['upd'], /^unknown command 'upd'$/, /did you mean update\?/],
    [['version'], /^unknown command 'version'$/, /did you mean --version\?/],
    [['hepl'], /^unknown command 'hepl'$/, /did you mean help\?/],
    [['xyzzy'], /^unknown command 'xyzzy'$/, /^run `holdfast --help`/],
    [['--jsn', 'status'], /^unknown flag '--jsn'$/, /did you mean --json\?/],
    [['deploy', '--cpu', '2'], /^unknown flag '--cpu'$/, /did you mean --cpus\?/],
    [['deploy', '--cpus'], /^--cpus N has no value$/, /deploy --help/],
    [['deploy', '--encrypt-data=no'], /^--encrypt-data takes no value$/, /deploy --help/],
    [['-x', 'status'], /^unknown flag '-x'$/, /`holdfast --help`/],
    [['status', 'extra'], /^too many arguments for 'status'/, /status --help/],
    [['copy', 'only-one'], /^missing required argument/, /copy --help/],
    [['exec'], /^missing required argument/, /exec --help/],
    [['completion'], /^missing required argument SHELL$/, /completion --help/],
    [['constructor'], /^unknown command 'constructor'$/, /^run `holdfast --help`/],
    [
      ['update', 'aply'],
      /^unknown command 'update aply'$/,
      /did you mean update apply\? `holdfast update --help`/,
    ],
    [['update', '--from', 'x', 'aply'], /^unknown command 'update aply'$/, /did you mean update apply\?/],
    [['update', 'status', '--from', 'x'], /^unknown flag '--from'$/, /update status --help/],
    [['update', 'status', 'extra'], /^too many arguments for 'update status'$/, /update status --help/],
    [['attest', 'verfy'], /^unknown command 'attest verfy'$/, /did you mean attest verify\?/],
    [['help', 'update', 'aply'], /^unknown command 'update aply'$/, /did you mean update apply\?/],
    [['firewall', 'list', 'tcp/80'], /^too many arguments for 'firewall list'$/, /firewall list --help/],
    [['firewall', 'reset', '--comment', 'web'], /^unknown flag '--comment'$/, /firewall reset --help/],
    [
      ['firewall', 'remove', 'tcp/80', '--comment', 'web'],
      /^unknown flag '--comment'$/,
      /firewall remove --help/,
    ],
    [['firewall', 'allow'], /^missing required argument SERVICE$/, /firewall allow --help/],
    [['firewall', 'open', 'tcp/80'], /^unknown command 'firewall open'$/, /firewall --help/],
    [['help', 'deplyo'], /^unknown command 'deplyo'$/, /did you mean deploy\?/],
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

test('flags may stand before a subcommand', async () => {
  const expected = await requestOf('update', 'apply', '--machine', 'm', '--from', 'status', '--dry-run');
  for (const words of [
    ['update', '--machine', 'm', '--from', 'status', '--dry-run', 'apply'],
    ['--machine=m', 'update', '--dry-run', 'apply', '--from=status'],
  ])
    assert.deepEqual(await requestOf(...words), expected, words.join(' '));
});

test('a group with a default command takes its flags without a subcommand', async () => {
  const alone = await requestOf('attest', '--nonce', 'ab', '--out', 'verify');
  assert.deepEqual(alone.given.flags, { nonce: 'ab', out: 'verify' });
  assert.deepEqual((await requestOf('attest', '--nonce', 'ab', 'verify', 'f')).given, {
    arguments: { file: ['f'] },
    flags: { nonce: 'ab' },
  });
});

test('help and version are results, a missing command is a usage error', async () => {
  const help = await understand(['--help'], () => {});
  assert('text' in help && help.exitCode === 0);
  for (const name of Object.keys(commands)) assert.match(help.text, new RegExp(`^  ${name} `, 'm'));
  for (const words of [['--version'], ['--json', '--version'], ['--version', 'status']]) {
    const version = await understand(words, () => {});
    assert('text' in version && /^\d+\.\d+\.\d+\n$/.test(version.text));
  }
  for (const words of [[], ['update'], ['release', 'keys']]) {
    const nothing = await understand(words, () => {});
    assert('text' in nothing && nothing.exitCode === 2);
    const inJson = understand([...words, '--json'], () => {});
    await assert.rejects(inJson, { code: 'usage', exitCode: 2 });
  }
});

test('help is the same for every way to request it', async () => {
  const expected = await understand(['help', 'update', 'apply'], () => {});
  for (const line of [
    'update apply --help',
    'update apply -h',
    '--help update apply',
    '--json help update apply',
  ])
    assert.deepEqual(await understand(line.split(' '), () => {}), expected, line);
});

test('help runs nothing, even of a command whose words pass through', async () => {
  const expected = await understand(['exec', '--help'], () => {});
  assert.deepEqual(await understand(['help', 'exec', 'reboot'], () => {}), expected);
});

test('help of a subcommand shows its own flags only', async () => {
  const help = await understand(['update', 'check', '--help'], () => {});
  assert('text' in help);
  assert.match(help.text, /--from/);
  assert.doesNotMatch(help.text, /--dry-run|rollback/);
});

test('every summary is an imperative of under 60 characters without a full stop', () => {
  for (const { name, summary } of listEntries(commands)) assert.match(summary, /^[A-Z].{3,57}[^.]$/, name);
});

test('the help of every command shows examples that parse', async () => {
  for (const { name, definition } of await loadCommands(commands)) {
    const help = await understand(['help', ...name.split(' ')], () => {});
    assert('text' in help && help.exitCode === 0, name);
    assert(definition.examples.length > 0, `${name} has no example`);
    for (const [line] of definition.examples) {
      assert(help.text.includes(line), line);
      const [program, ...words] = line.split(' ');
      const isPlain = program === 'holdfast' && !/['"|<>$]/.test(line);
      if (isPlain) assert((await requestOf(...words)).command === definition, line);
    }
  }
});
