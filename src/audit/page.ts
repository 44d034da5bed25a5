import type { AuditReport, Result } from './audit.ts';
import { type Verdict, verdicts } from './claim.ts';

const style = `
  body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem; color: #1a1a1a }
  table { border-collapse: collapse; width: 100% }
  th, td { border: 1px solid #bbb; padding: .4rem .6rem; text-align: left; vertical-align: top; overflow-wrap: anywhere }
  th { background: #eee }
  code { font-size: .9em }
  .verdict { white-space: nowrap; font-weight: bold }
  .pass { color: #176a2c } .fail { color: #a8071a } .off { color: #8a5200 } .none { color: #555 }
  @media print { body { margin: 0; max-width: none; font-size: 10px } tr { break-inside: avoid } }`;

const classes: Readonly<Record<Verdict, string>> = {
  pass: 'pass',
  fail: 'fail',
  off: 'off',
  'not applicable': 'none',
};

/** What an audit in each way can exclude. */
export const ways = {
  ordinary:
    'The machine had started with everything that it has kept. Its answers came from programs of its verified root, next to the running system. This does not exclude an attacker who is root in the running guest: root can change mounts and processes, and so what the kernel tells those programs. An audit of a start as released excludes everything that an attacker has left on the disk.',
  asReleased:
    'The machine had started as released: nothing that it has kept took part, so nothing that an attacker has left on its disk could answer. This does not exclude a defect of the release itself.',
} as const;

/** Returns the report as one self-contained page: no scripts, nothing fetched, and no text of the guest is markup. */
export function auditPage(report: AuditReport): string {
  const { machine, release, rootHash, time, asReleased, results } = report;
  const facts: readonly (readonly [string, string])[] = [
    ['Machine', machine],
    ['Release', release ?? 'could not be read'],
    ['Root hash', rootHash ?? 'could not be read'],
    ['Time', time],
    ['Start', asReleased ? 'as released' : 'ordinary'],
    ['Result', summary(results)],
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Audit of ${escapeHtml(machine)}, ${escapeHtml(time)}</title>
<style>${style}
</style>
</head>
<body>
<h1>Audit of ${escapeHtml(machine)}</h1>
<table>
${facts.map(([name, text]) => `<tr><th scope="row">${name}</th><td>${escapeHtml(text)}</td></tr>`).join('\n')}
</table>
<h2>Claims</h2>
<table>
<tr><th>Claim</th><th>Statement</th><th>Verdict</th><th>Evidence</th><th>What it does not stop</th></tr>
${results.map(row).join('\n')}
</table>
<p>${ways[asReleased ? 'asReleased' : 'ordinary']} The checks on the host do not depend on the guest.</p>
</body>
</html>
`;
}

function row({ id, sentence, where, verdict, evidence, notStopped }: Result): string {
  const cells = [
    `<td><code>${escapeHtml(id)}</code><br>${escapeHtml(where)}</td>`,
    `<td>${escapeHtml(sentence)}</td>`,
    `<td class="verdict ${classes[verdict]}">${verdict}</td>`,
    `<td>${escapeHtml(evidence)}</td>`,
    `<td>${escapeHtml(notStopped)}</td>`,
  ];
  return `<tr>${cells.join('')}</tr>`;
}

/** Counts the claims of each verdict: `38 pass, 1 off`. */
export function summary(results: readonly Result[]): string {
  return verdicts
    .map((verdict) => [verdict, results.filter((result) => result.verdict === verdict).length] as const)
    .filter(([, count]) => count > 0)
    .map(([verdict, count]) => `${count} ${verdict}`)
    .join(', ');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Escapes text for use between tags and in quoted attributes (HTML living standard, section 13.1.2). */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
