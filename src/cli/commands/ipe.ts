import { chooseNextStart } from '../../lifecycle/boot-options.ts';
import { type IpeState, ipeState } from '../../lifecycle/ipe.ts';
import type { MachineName } from '../../machine/paths.ts';
import { defineVerb, oneOf, required } from '../framework/command.ts';

export const verb = defineVerb({
  arguments: {
    wish: required(
      'status|audit|enforce',
      'show what happens to programs that the release key did not sign, or choose it from the next start on',
      oneOf('status', 'audit', 'enforce'),
    ),
  },
  flags: {},
  examples: [
    ['holdfast ipe status', 'show what the kernel does, and what the next start does'],
    ['holdfast ipe audit', 'let such programs run, and tell of each in the journal'],
    ['holdfast ipe enforce', 'refuse them, those of ordinary containers included, and tell'],
  ],
  async run({ machine, layout, arguments: { wish }, output }) {
    const changed = wish !== 'status' && (await chooseNextStart(layout, machine, { ipe: wish }));
    const state = await ipeState(layout, machine);
    output.result(
      { machine, configured: state.configured, runs: state.runs ?? null, changed },
      ipeText(machine, state),
    );
  },
});

const words = {
  audit: 'audit: programs that are not of the release run, and the journal names them',
  enforce: 'enforce: only programs of the release and of signed volumes run',
  off: 'off, because the root is not verified',
} as const;

/** What runs and, where it differs, what is chosen. */
export function ipeText(machine: MachineName, { configured, runs }: IpeState): string {
  if (runs === undefined) return `${machine} is not running: with its next start ipe is ${words[configured]}`;
  const now = `${machine}: ipe is ${words[runs]}`;
  if (runs === configured) return now;
  if (runs === 'off') return `${now}\nwith verity it is ${words[configured]}`;
  return `${now}\nafter the next restart it is ${words[configured]}; \`holdfast restart\` does that now`;
}
