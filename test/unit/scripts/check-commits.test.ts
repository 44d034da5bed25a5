import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { checkCommits, commitProblems, firstBase, logProblems } from '../../../scripts/check-commits.ts';

const body = 'The test of a silent QEMU took 200 ms. It takes 20 ms.';

test('accepts messages that follow the rule', () => {
  for (const message of [
    `test: shorten a timeout\n\n${body}\n`,
    `supervisor, tpm/broker: feed the log\n\n${body}\n\nCo-authored-by: ${'x'.repeat(80)} <a@b.c>\n`,
    `docs: link the specification\n\nIt moved to\nhttps://example.org/${'x'.repeat(80)}\n`,
  ])
    assert.deepEqual(commitProblems(message), [], message);
});

test('names each problem of a message', () => {
  const cases: readonly (readonly [message: string, problem: RegExp])[] = [
    ['Shorten a timeout', /not `area: subject`/],
    ['Test: shorten a timeout', /not `area: subject`/],
    ['test:shorten a timeout', /not `area: subject`/],
    ['test: shortened a timeout', /not imperative/],
    ['test: shortening a timeout', /not imperative/],
    ['test: shortens a timeout', /not imperative/],
    ['test: shorten a timeout.', /full stop/],
    [`test: shorten ${'x'.repeat(60)}`, /more than 72 characters/],
  ];
  for (const [subject, problem] of cases) {
    const problems = commitProblems(`${subject}\n\n${body}\n`);
    assert.equal(problems.length, 1, subject);
    assert.match(problems.join(), problem);
  }
  assert.deepEqual(commitProblems('test: shorten a timeout\n'), ['the body is missing']);
  assert.match(commitProblems(`test: shorten a timeout\n${body}\n\n${body}`).join(), /second line/);
  assert.match(commitProblems(`test: shorten a timeout\n\n${body} ${body}`).join(), /not wrapped/);
});

test('reports the commit of each problem', () => {
  const good = `${'a'.repeat(40)} test: shorten a timeout\n\n${body}\n`;
  const bad = `${'b'.repeat(40)} Shorten\n`;
  assert.deepEqual(logProblems(`${good}\0${bad}\0`), [
    'bbbbbbbbb Shorten: the subject is not `area: subject`',
    'bbbbbbbbb Shorten: the body is missing',
  ]);
});

test('the commits of this repository follow the rule, as far as its history is there', async () => {
  assert.deepEqual((await checkCommits(resolve(import.meta.dirname, '../../..'), firstBase)) ?? [], []);
});

test('a directory without history has no problems', async () => {
  assert.equal(await checkCommits(tmpdir(), firstBase), undefined);
});
