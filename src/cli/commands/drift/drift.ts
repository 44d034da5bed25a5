import { misuse } from '../../../base/errors.ts';
import { findDrift, type MachineDrift, resetDrift } from '../../../guest/drift-report.ts';
import { parseOverlayPath, showPath } from '../../../guest/overlay-path.ts';
import { defineCommand, optional, toggle } from '../../framework/command.ts';
import { confirm } from '../../terminal/confirm.ts';
import { driftJson, driftText } from './text.ts';

const comparing = 'Comparing the machine with its release';

export const driftCommand = defineCommand({
  arguments: {
    path: optional(
      'PATH',
      'this and all below it; default: all that the machine could change',
      parseOverlayPath,
    ),
  },
  flags: {
    reset: toggle('have PATH be as in the release, from the next start on'),
    yes: toggle('with --reset: do not ask'),
  },
  examples: [
    ['holdfast drift', 'list what the machine changed in /etc, /home and /root against its release'],
    ['holdfast drift --json /etc/systemd', 'the same of one directory, for programs'],
    ['holdfast drift --reset /etc/hosts', 'have the file of the release back; `holdfast restart` does it'],
  ],
  async run({ arguments: { path }, flags: { reset, yes }, ...context }) {
    const { machine, layout, progress, signal, output } = context;
    if (!reset) {
      const drift = await progress.step(comparing, () => findDrift(layout, machine, path, signal));
      output.result(
        { machine, drift: drift.map(driftJson) },
        driftText(drift) || `${path ? showPath(path) : 'all'} is as in the release`,
      );
      return;
    }
    if (path === undefined) {
      throw misuse('drift.path', 'nothing is named that should be as in the release', {
        next: 'name a path, such as /etc for all that was changed in it',
      });
    }
    const agree = async (lost: readonly MachineDrift[]) => {
      if (yes) return;
      const what = `${lost.length} ${lost.length === 1 ? 'change' : 'changes'} at ${showPath(path)}`;
      await confirm(context, `The next start discards ${what}.`);
    };
    const { drift, changed } = await resetDrift(layout, machine, path, agree, signal);
    const text =
      drift.length === 0
        ? `${showPath(path)} is as in the release`
        : `${driftText(drift)}\n\nThis is discarded at the next start; \`holdfast restart\` does it now`;
    output.result({ machine, changed, drift: drift.map(driftJson) }, text);
  },
});
