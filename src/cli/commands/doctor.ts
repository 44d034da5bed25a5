import { styleText } from 'node:util';
import type { HostVerdict } from '../../base/host-check.ts';
import { hostChecks } from '../../host/checks.ts';
import { type CheckResult, examineHost } from '../../host/doctor.ts';
import { defineCommand } from '../framework/command.ts';

const colours: Readonly<Record<HostVerdict, 'green' | 'yellow' | 'red'>> = {
  ok: 'green',
  warning: 'yellow',
  missing: 'red',
};

export const doctorCommand = defineCommand({
  description: 'Prints each check with its remedy. The exit code is 1 when machines cannot run on this host.',
  arguments: {},
  flags: {},
  examples: [
    ['holdfast doctor', 'Check this host; the exit code is 1 when machines cannot run'],
    ['holdfast doctor --json', 'Print the checks as JSON'],
  ],
  output: async () => (await import('../output/host.ts')).doctorOutput,
  async run({ home, progress, output, exitWith }) {
    const checks = await progress.step('Examining this host', () => examineHost(hostChecks(home)));
    const ready = !checks.some(({ verdict }) => verdict === 'missing');
    output.result({ ready, checks }, `${checks.map(line).join('\n')}\n\n${summary(checks)}`);
    if (!ready) exitWith(1);
  },
});

function line({ name, verdict, found, remedy }: CheckResult): string {
  // styleText respects NO_COLOR, FORCE_COLOR and whether the stream is a terminal
  const word = styleText(colours[verdict], verdict.padEnd(8), { stream: process.stdout });
  return `${word} ${name.padEnd(24)} ${found}${remedy === undefined ? '' : `\n${' '.repeat(34)}→ ${remedy}`}`;
}

function summary(checks: readonly CheckResult[]): string {
  const count = (wanted: HostVerdict) => checks.filter(({ verdict }) => verdict === wanted).length;
  const [missing, warnings] = [count('missing'), count('warning')];
  if (missing > 0) return `Machines cannot run here: ${missing} of ${checks.length} checks failed.`;
  return `Machines can run here${warnings > 0 ? `; ${warnings} of ${checks.length} checks have advice` : ''}.`;
}
