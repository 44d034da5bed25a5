import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { quoteWord } from '../../../../src/base/shell-quote.ts';
import type { CommandTable } from '../../../../src/cli/framework/command.ts';
import { defineCommand } from '../../../../src/cli/framework/command.ts';
import { completionScript, type Shell } from '../../../../src/cli/framework/completion-script.ts';
import { anyText, oneOf, required, rest, setting, toggle } from '../../../../src/cli/framework/parameters.ts';

const plain = {
  arguments: {},
  flags: {},
  examples: [],
  output: async () => z.never(),
  run: async () => {},
};
const commands: CommandTable = {
  deploy: {
    summary: "Create a machine, if it's not there",
    load: async () =>
      defineCommand({
        ...plain,
        flags: {
          logSize: setting('SIZE', 'log', oneOf('small', 'large')),
          release: setting('DIR', 'from', anyText),
          force: toggle('at once'),
        },
      }),
  },
  completion: {
    summary: 'Print a script',
    load: async () =>
      defineCommand({ ...plain, arguments: { shell: required('SHELL', 'which', oneOf('bash', 'zsh')) } }),
  },
  attest: {
    summary: 'Attest',
    load: async () => defineCommand({ ...plain, flags: { nonce: setting('HEX', 'asked', anyText) } }),
    subcommands: {
      verify: {
        summary: 'Verify',
        load: async () => defineCommand({ ...plain, flags: { trust: setting('FILE', 'trust', anyText) } }),
      },
    },
  },
  release: {
    summary: 'Publish',
    subcommands: {
      keys: {
        summary: 'Keys',
        subcommands: {
          init: { summary: 'Create', load: async () => defineCommand(plain) },
          rotate: {
            summary: 'Replace',
            load: async () =>
              defineCommand({ ...plain, flags: { role: setting('ROLE', 'role', oneOf('root', 'targets')) } }),
          },
        },
      },
    },
  },
  exec: {
    summary: 'Run',
    load: async () =>
      defineCommand({ ...plain, arguments: { command: rest('CMD', 'what') }, passThrough: true }),
  },
};
const script = (shell: Shell) => completionScript(shell, commands);
const bash = await script('bash');

/** Returns bash's completions of the last word of command lines. */
function offered(home: string, lines: readonly (readonly string[])[]): string[][] {
  const typed = lines.map(
    (words) => `COMP_WORDS=(holdfast ${words.map(quoteWord).join(' ')}); COMP_CWORD=${words.length}
_holdfast; printf '%s\\n' "\${COMPREPLY[@]}"; echo --`,
  );
  const { stdout, stderr, status } = spawnSync('bash', ['--norc', '-uc', [bash, ...typed].join('\n')], {
    env: { PATH: process.env.PATH, HOLDFAST_HOME: home },
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
  assert.equal(status, 0);
  return stdout
    .split('--\n')
    .slice(0, -1)
    .map((answer) => answer.split('\n').filter((line) => line !== ''));
}

test('bash completes commands, flags, choices and machines', () => {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-completion-'));
  try {
    for (const name of ['default', 'gateway']) mkdirSync(join(home, 'machines', name), { recursive: true });
    const cases: readonly (readonly [words: string[], expected: string[]])[] = [
      [[''], ['deploy', 'completion', 'attest', 'release', 'exec', 'help']],
      [
        ['help', ''],
        ['deploy', 'completion', 'attest', 'release', 'exec'],
      ],
      [
        ['help', 'release', 'keys', ''],
        ['init', 'rotate'],
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
      [['--machine', 'gateway', 'c'], ['completion']],
      [['completion', 'b'], ['bash']],
      [['attest', ''], ['verify']],
      [['attest', '--n'], ['--nonce']],
      [['attest', '--nonce', 'ab', 'v'], ['verify']],
      [['attest', 'verify', '--n'], []],
      [['attest', 'verify', '--t'], ['--trust']],
      [['release', ''], ['keys']],
      [['release', '--machine', 'default', 'keys', 'i'], ['init']],
      [['release', 'keys', 'rotate', '--r'], ['--role']],
      [['release', 'keys', 'init', '--r'], []],
      [
        ['release', 'keys', 'rotate', '--role', ''],
        ['root', 'targets'],
      ],
      [['exec', 'ls', '--j'], []],
    ];
    const answers = offered(
      home,
      cases.map(([words]) => words),
    );
    for (const [index, [words, expected]] of cases.entries())
      assert.deepEqual(answers[index], expected, words.join(' '));
  } finally {
    rmSync(home, { recursive: true });
  }
});

test('without any machine nothing is offered for --machine', () => {
  assert.deepEqual(offered('/nowhere', [['deploy', '--machine', '']]), [[]]);
});

test('zsh runs the same functions; fish gets its own lines, quoted', async () => {
  assert.match(await script('zsh'), /bashcompinit\n_holdfast\(\) \{/);
  const fish = await script('fish');
  assert.match(fish, /-n '__holdfast_command' -a deploy -d 'Create a machine, if it\\'s not there'$/m);
  assert.match(fish, /-n '__holdfast_command deploy' -l log-size -x -a 'small large' -d 'log'$/m);
  assert.match(fish, /-n '__holdfast_command release keys' -a rotate -d 'Replace'$/m);
  assert.match(fish, /-n '__holdfast_command release keys rotate' -l role -x -a 'root targets' -d 'role'$/m);
  assert.match(fish, /-l machine -x -a '\(__holdfast_machines\)'/);
});
