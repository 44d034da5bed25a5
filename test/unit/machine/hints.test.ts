import assert from 'node:assert/strict';
import { test } from 'node:test';
import { understand } from '../../../src/cli/program.ts';
import { commands } from '../../../src/cli/registry.ts';
import { hostCommands, nameMachine } from '../../../src/machine/hints.ts';
import { sourcesIn } from '../../support/sources.ts';

/** Every command line in backticks outside comments. */
const hints = sourcesIn('src').flatMap(({ path, lines }) =>
  lines
    .filter((line) => !/^\s*(?:\/?\*|\/\/)/.test(line))
    .flatMap((line) => [...line.replaceAll('\\`', '`').matchAll(/`holdfast [a-z][^`$]*`/g)])
    .map(([hint]) => ({ path, hint })),
);

/** Reads a command line as the command line does. @returns the machine that it names. */
async function machineOf(hint: string): Promise<unknown> {
  const words = hint.replaceAll('`', '').split(' ').slice(1);
  const placeholders = [[], ['x'], ['x', 'y'], ['x', 'y', 'z']];
  for (const more of placeholders) {
    let machine: unknown;
    const understood = await understand([...words, ...more], (common) => {
      machine = common.machine;
    }).catch(() => undefined);
    if (understood) return machine;
  }
  throw new Error(`cannot be run: ${hint}`);
}

test('every hint in the sources names the machine, in a command line that can be run', async () => {
  assert.ok(hints.length > 100);
  for (const { path, hint } of hints) {
    const [, command = ''] = hint.replaceAll('`', '').split(' ');
    if (command === 'help' || /--help|\.\.\./.test(hint)) continue;
    const named = nameMachine(`run ${hint}, and again`, 'gateway-1');
    const expected = hostCommands.has(command) ? undefined : 'gateway-1';
    assert.equal(
      await machineOf(/`.*`/.exec(named)?.[0] ?? ''),
      expected,
      `${path}: ${hint} becomes ${named}`,
    );
    assert.equal(nameMachine(hint, 'default'), hint);
  }
});

test('names the machine between the command and its arguments, once', () => {
  const cases = [
    [
      'run `holdfast stop` and `holdfast start`',
      'run `holdfast stop --machine m` and `holdfast start --machine m`',
    ],
    ['`holdfast drift --reset PATH`', '`holdfast drift --machine m --reset PATH`'],
    ['`holdfast drift /etc`', '`holdfast drift --machine m /etc`'],
    ['`holdfast exec -- systemctl --failed`', '`holdfast exec --machine m -- systemctl --failed`'],
    ['`holdfast update apply --from DIR`', '`holdfast update apply --machine m --from DIR`'],
    ['`holdfast start --machine n`', '`holdfast start --machine n`'],
    ['`holdfast doctor`', '`holdfast doctor`'],
    ['`holdfast` and `podman ps`', '`holdfast` and `podman ps`'],
  ] as const;
  for (const [text, expected] of cases) {
    assert.equal(nameMachine(text, 'm'), expected);
    assert.equal(nameMachine(nameMachine(text, 'm'), 'm'), expected);
  }
  assert.equal(nameMachine('`holdfast start`', 'not; a name'), '`holdfast start`');
});

test('the commands of the host exist', () => {
  for (const name of hostCommands) assert.ok(name === 'help' || Object.hasOwn(commands, name), name);
});
