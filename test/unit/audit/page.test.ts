import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { AuditReport, Result } from '../../../src/audit/audit.ts';
import { judgeAll } from '../../../src/audit/audit.ts';
import { claims } from '../../../src/audit/claims.ts';
import { auditPage, escapeHtml, summary, ways } from '../../../src/audit/page.ts';
import { parseMachineName } from '../../../src/machine/paths.ts';
import { anyCharacter } from '../../support/any-character.ts';
import { answersWith, factsWith, rootHash } from '../../support/audit-evidence.ts';

const results = judgeAll(claims, answersWith(), factsWith());
const report: AuditReport = {
  machine: parseMachineName('gateway-1'),
  time: '2026-11-22T18:00:00.000Z',
  release: '13.7.20261121',
  rootHash,
  asReleased: false,
  results,
};

test('the page shows machine, release, root hash, time, and every claim in full', () => {
  const page = auditPage(report);
  for (const text of ['gateway-1', '13.7.20261121', rootHash, '2026-11-22T18:00:00.000Z', summary(results)])
    assert.ok(page.includes(text), text);
  for (const { id, sentence, verdict, evidence, notStopped } of results)
    for (const text of [id, sentence, verdict, evidence, notStopped])
      assert.ok(page.includes(escapeHtml(text)), text);
});

test('the page states how the machine was started, and what that cannot exclude', () => {
  for (const asReleased of [false, true]) {
    const page = auditPage({ ...report, asReleased });
    const [said, other] = asReleased ? ['asReleased', 'ordinary'] : ['ordinary', 'asReleased'];
    assert.ok(page.includes(ways[said as keyof typeof ways]));
    assert.ok(!page.includes(ways[other as keyof typeof ways]));
  }
});

test('as released, the claims about what a machine keeps do not apply, and all others hold', () => {
  const changed = judgeAll(claims, answersWith(), factsWith({ asReleased: true }));
  const differing = changed.filter(({ verdict }, index) => verdict !== results[index]?.verdict);
  assert.deepEqual(
    differing.map(({ id, verdict }) => [id, verdict]),
    ['data-writable', 'logs-on-log', 'overlay-etc', 'overlay-home', 'overlay-root', 'etc-lasts'].map((id) => [
      id,
      'not applicable',
    ]),
  );
});

test('the page states that the release could not be read', () => {
  const page = auditPage({ ...report, release: undefined, rootHash: undefined });
  assert.equal(page.match(/could not be read/g)?.length, 2);
});

test('the page runs no script and fetches nothing', () => {
  const page = auditPage(report);
  assert.doesNotMatch(page, /<script|<img|<link|<iframe|\bsrc=|\bhref=|url\(|@import|\son\w+=/i);
  assert.match(page, /Content-Security-Policy" content="default-src 'none'/);
});

test('text of the guest is never markup', () => {
  const tags = (page: string) => page.match(/<[^>]*>/g)?.join('\n');
  const expected = tags(auditPage(report));
  const hostile = (text: string): Result[] =>
    results.map((result) => ({ ...result, evidence: text, sentence: text, notStopped: text }));
  for (const text of ['<script>alert(1)</script>', `"><img src=x onerror='x'>`, '&lt;b&gt;', ']]>-->'])
    assert.equal(tags(auditPage({ ...report, results: hostile(text) })), expected);
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter }), (text) => {
      const escaped = escapeHtml(text);
      assert.doesNotMatch(escaped, /[<>"']|&(?!amp;|lt;|gt;|quot;|#39;)/);
      const back = escaped
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&quot;', '"')
        .replaceAll('&#39;', "'")
        .replaceAll('&amp;', '&');
      assert.equal(back, text);
    }),
  );
});

test('the summary counts the verdicts', () => {
  const [one] = results;
  assert.ok(one);
  assert.equal(summary([one, { ...one, verdict: 'fail' }, { ...one, verdict: 'fail' }]), '1 pass, 2 fail');
});
