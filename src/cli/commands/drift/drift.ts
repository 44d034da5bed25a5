import { isFailure, misuse } from '../../../base/errors.ts';
import { findDrift, type MachineDrift, resetDrift } from '../../../guest/drift-report.ts';
import { parseOverlayPath, showPath } from '../../../guest/overlay-path.ts';
import { resetOff } from '../../../lifecycle/reset.ts';
import { guestOf } from '../../../supervisor/guest.ts';
import { defineCommand } from '../../framework/command.ts';
import { optional, toggle } from '../../framework/parameters.ts';
import { confirm } from '../../terminal/confirm.ts';
import { driftJson, driftText } from './text.ts';

const comparing = 'Comparing the machine with its release';

export const driftCommand = defineCommand({
  description:
    'Compares the files that the machine can change with those of its release. With --reset, the next start restores PATH and everything below it.',
  arguments: {
    path: optional('PATH', 'File or directory (default: everything that can change)', parseOverlayPath),
  },
  flags: {
    reset: toggle('Restore PATH from the release at the next start'),
    yes: toggle('With --reset: do not ask for confirmation'),
  },
  examples: [
    ['holdfast drift', 'List changes in /etc, /home and /root since the release'],
    ['holdfast drift --json /etc/systemd', 'Print the changes in one directory as JSON'],
    ['holdfast drift --reset /etc/hosts', 'Restore a file of the release at the next start'],
  ],
  output: async () => (await import('../../output/guest.ts')).driftOutput,
  async run({ arguments: { path }, flags: { reset, yes }, ...context }) {
    const { machine, progress, signal, output } = context;
    if (!reset) {
      const drift = await progress.step(comparing, () => findDrift(guestOf(machine), path, signal));
      output.result(
        { machine: machine.name, drift: drift.map(driftJson) },
        driftText(drift) || `${path ? showPath(path) : 'everything'} matches the release`,
      );
      return;
    }
    if (path === undefined) {
      throw misuse('drift.path', '--reset needs a path', {
        next: 'give a path, such as /etc for every change in it',
      });
    }
    const agree = async (lost: readonly MachineDrift[]) => {
      if (yes) return;
      const what = `${lost.length} ${lost.length === 1 ? 'change' : 'changes'} at ${showPath(path)}`;
      await confirm(context, `The next start discards ${what}.`);
    };
    const resets = await resetDrift(guestOf(machine), path, agree, signal).catch(async (error: unknown) => {
      if (!isFailure(error, 'machine.off')) throw error;
      if (!yes) await confirm(context, `The next start discards every change at ${showPath(path)}.`);
      return resetOff(machine, path);
    });
    if (typeof resets === 'boolean') {
      output.result(
        { machine: machine.name, changed: resets, drift: [] },
        `The next start discards every change at ${showPath(path)}`,
      );
      return;
    }
    const { drift, changed } = resets;
    const text =
      drift.length === 0
        ? `${showPath(path)} matches the release`
        : `${driftText(drift)}\n\nThese changes are discarded at the next start; run \`holdfast restart\` to restart now`;
    output.result({ machine: machine.name, changed, drift: drift.map(driftJson) }, text);
  },
});
