import { resolve } from 'node:path';
import { styleText } from 'node:util';
import { whileAsReleased } from '../../audit/as-released.ts';
import { type AuditReport, auditMachine } from '../../audit/audit.ts';
import type { Verdict } from '../../audit/claim.ts';
import { auditPage, summary } from '../../audit/page.ts';
import { waitUntilSettled } from '../../audit/settled.ts';
import { failure } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files.ts';
import { oneLine } from '../../base/visible.ts';
import { defineCommand } from '../framework/command.ts';
import { anyText, setting, toggle } from '../framework/parameters.ts';

const colours: Readonly<Record<Verdict, 'green' | 'red' | 'yellow' | 'gray'>> = {
  pass: 'green',
  fail: 'red',
  off: 'yellow',
  'not applicable': 'gray',
};

export const auditCommand = defineCommand({
  description:
    'Prints a verdict and the evidence for each claim. The exit code is 1 when a claim does not hold.',
  arguments: {},
  flags: {
    html: setting('FILE', 'Write the report as an HTML page', anyText),
    asReleased: toggle('Restart as released for the audit, then restart'),
  },
  examples: [
    ['holdfast audit', 'Test every claim and show the evidence'],
    ['holdfast audit --html audit.html', 'Also write a report for an auditor'],
    ['holdfast audit --as-released', 'Exclude everything that an attacker has left on the disk'],
    ['holdfast audit --json', 'Print JSON; the exit code is 1 when a claim fails'],
  ],
  output: async () => (await import('../output/security.ts')).auditOutput,
  async run({ machine, flags, output, progress, signal, streams }) {
    const audit = async () => {
      await waitUntilSettled(machine, progress, signal);
      const report = await progress.step('Auditing the machine', () => auditMachine(machine, signal));
      if (flags.html !== undefined) await writeFileAtomic(resolve(flags.html), auditPage(report), 0o600);
      output.result(report, auditText(report, streams.stdout));
      return report;
    };
    const occasion = { machine, progress, signal };
    const report = await (flags.asReleased ? whileAsReleased(occasion, audit) : audit());
    const failed = report.results.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id);
    if (failed.length > 0) {
      throw failure('audit.failed', `${failed.length} of ${report.results.length} claims do not hold`, {
        why: failed.join(', '),
        next: report.asReleased
          ? 'see the evidence above: it does not come from changes that the machine has kept'
          : 'see the evidence above; `holdfast audit --as-released` leaves out what the machine has kept, and `holdfast drift` lists it',
      });
    }
  },
});

function auditText(report: AuditReport, stream: NodeJS.WritableStream): string {
  const { machine, release, rootHash, time, asReleased, results } = report;
  const width = Math.max(...results.map(({ id }) => id.length));
  const rows = results.map(({ id, verdict, evidence }) => {
    const word = styleText(colours[verdict], verdict.padEnd('not applicable'.length), { stream });
    return `${id.padEnd(width)}  ${word}  ${oneLine(evidence)}`;
  });
  const head = `${machine}, release ${release ?? 'unknown'}, root hash ${rootHash ?? 'unknown'}, ${asReleased ? 'started as released, ' : ''}${time}`;
  return [head, '', ...rows, '', summary(results)].join('\n');
}
