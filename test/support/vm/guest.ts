import assert from 'node:assert/strict';
import type { MachineName } from '../../../src/machine/paths.ts';
import { expectDone } from './machine.ts';

/** Runs a command in the guest with `holdfast exec`, which must succeed. @returns its output. */
export function inGuest(machine: MachineName, argv: readonly string[]): Promise<string> {
  return expectDone(['exec', '--machine', machine, '--', ...argv]);
}

/** Runs shell lines in the guest as root, which must succeed. @returns their output without the last newline. */
export async function asRoot(machine: MachineName, lines: string): Promise<string> {
  return (await inGuest(machine, ['sudo', 'sh', '-euc', lines])).trimEnd();
}

/**
 * Runs several commands in the guest at once, as root: separate ones take half a second each in an emulated machine.
 * @param commands shell lines by name; they can fail.
 * @returns the output of each, including errors, without the last newline.
 */
export async function askGuest<Name extends string>(
  machine: MachineName,
  commands: Readonly<Record<Name, string>>,
): Promise<Record<Name, string>> {
  const names = Object.keys(commands) as Name[];
  const script = names.map((name) => `echo '--- ${name}'; { ${commands[name]}\n} 2>&1`);
  const output = await inGuest(machine, ['sudo', 'sh', '-c', [...script, 'true'].join('\n')]);
  const answers = output
    .split(/^--- /m)
    .slice(1)
    .map(
      (part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1).trimEnd()] as const,
    );
  assert.deepEqual(
    answers.map(([name]) => name),
    names,
  );
  return Object.fromEntries(answers) as Record<Name, string>;
}
