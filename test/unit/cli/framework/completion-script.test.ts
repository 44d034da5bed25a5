import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  anyText,
  defineVerb,
  oneOf,
  required,
  rest,
  setting,
  toggle,
} from '../../../../src/cli/framework/command.ts';
import { completionScript, type NamedVerb } from '../../../../src/cli/framework/completion-script.ts';

const run = async () => {};
const verbs: readonly NamedVerb[] = [
  {
    name: 'deploy',
    summary: "make a machine, if it's not there",
    verb: defineVerb({
      arguments: {},
      flags: {
        logSize: setting('SIZE', 'log', oneOf('small', 'large')),
        release: setting('DIR', 'from', anyText),
        force: toggle('at once'),
      },
      examples: [],
      run,
    }),
  },
  {
    name: 'autostart',
    summary: 'on or off',
    verb: defineVerb({
      arguments: { state: required('STATE', 'which', oneOf('enable', 'disable')) },
      flags: {},
      examples: [],
      run,
    }),
  },
  {
    name: 'exec',
    summary: 'run',
    verb: defineVerb({
      arguments: { command: rest('CMD', 'what') },
      flags: {},
      passThrough: true,
      examples: [],
      run,
    }),
  },
];

/** What bash offers for a command line whose last word is being typed. */
function offered(home: string, ...words: string[]): string[] {
  const script = `${completionScript('bash', verbs)}
COMP_WORDS=(holdfast "$@"); COMP_CWORD=$#; _holdfast; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, status } = spawnSync('bash', ['--norc', '-uc', script, 'bash', ...words], {
    env: { PATH: process.env.PATH, HOLDFAST_HOME: home },
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
  assert.equal(status, 0);
  return stdout.split('\n').filter((line) => line !== '');
}

test('bash completes verbs, flags, choices and machines', () => {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-completion-'));
  try {
    for (const name of ['default', 'gateway']) mkdirSync(join(home, 'machines', name), { recursive: true });
    const cases: readonly (readonly [words: string[], expected: string[]])[] = [
      [[''], ['deploy', 'autostart', 'exec', 'help']],
      [
        ['help', ''],
        ['deploy', 'autostart', 'exec'],
      ],
      [['d'], ['deploy']],
      [['--j'], ['--json']],
      [['deploy', '--f'], ['--force']],
      [
        ['deploy', '--log-size', ''],
        ['small', 'large'],
      ],
      [['deploy', '--force', '--log-size', 's'], ['small']],
      [['deploy', '--release', ''], []],
      [
        ['deploy', '--machine', ''],
        ['default', 'gateway'],
      ],
      [['--machine', 'g'], ['gateway']],
      [['--machine', 'gateway', 'a'], ['autostart']],
      [['autostart', 'e'], ['enable']],
      [['exec', 'ls', '--j'], []],
    ];
    for (const [words, expected] of cases)
      assert.deepEqual(offered(home, ...words), expected, words.join(' '));
  } finally {
    rmSync(home, { recursive: true });
  }
});

test('without any machine nothing is offered for --machine', () => {
  assert.deepEqual(offered('/nowhere', 'deploy', '--machine', ''), []);
});

test('zsh runs the same functions; fish gets its own lines, quoted', () => {
  assert.match(completionScript('zsh', verbs), /bashcompinit\n_holdfast\(\) \{/);
  const fish = completionScript('fish', verbs);
  assert.match(fish, /-a deploy -d 'make a machine, if it\\'s not there'$/m);
  assert.match(fish, /-n '__fish_seen_subcommand_from deploy' -l log-size -x -a 'small large' -d 'log'$/m);
  assert.match(fish, /-l machine -x -a '\(__holdfast_machines\)'/);
});
