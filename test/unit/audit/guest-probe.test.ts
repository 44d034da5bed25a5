import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { z } from 'zod';
import { parseAnswers, probeScript, readAnswer } from '../../../src/audit/guest-probe.ts';

const mark = 'audit-0123456789abcdef';
const form = z.string();

function answersOf(commands: Readonly<Record<string, string>>) {
  const probes = Object.entries(commands).map(([name, command]) => ({ name, command, form }));
  const output = execFileSync('bash', ['--norc', '-c', probeScript(probes, mark)], { maxBuffer: 2 ** 24 });
  return parseAnswers(output.toString(), mark);
}

test('each probe returns its own text and exit code, independent of the others', () => {
  const answers = answersOf({
    plain: 'echo one; echo two',
    silent: 'true',
    fails: 'echo why >&2; exit 3',
    unfinished: 'printf no-newline',
    greedy: 'cat; echo end of input',
    unset: 'set -eu; echo "$nothing"',
    last: 'echo three',
  });
  assert.deepEqual(answers.get('plain'), { code: 0, text: 'one\ntwo' });
  assert.deepEqual(answers.get('silent'), { code: 0, text: '' });
  assert.deepEqual(answers.get('fails'), { code: 3, text: 'why' });
  assert.deepEqual(answers.get('unfinished'), { code: 0, text: 'no-newline' });
  assert.deepEqual(answers.get('greedy'), { code: 0, text: 'end of input' });
  assert.notEqual(answers.get('unset')?.code, 0);
  assert.deepEqual(answers.get('last'), { code: 0, text: 'three' });
});

test('drops an answer that is too long, and parses the next', () => {
  const answers = answersOf({ flood: 'head -c 1000000 /dev/zero | tr "\\0" x', after: 'echo here' });
  assert.deepEqual([...answers.keys()], ['after']);
});

test('a probe that two claims share runs once', () => {
  const probe = { name: 'shared', command: 'echo x', form };
  assert.equal(probeScript([probe, probe], mark).match(/begin shared/g)?.length, 1);
});

test('drops an answer that is truncated, repeated, or has the mark of another', () => {
  const whole = `${mark} begin a\nx\n${mark} end a 0\n`;
  assert.equal(parseAnswers(whole, mark).get('a')?.text, 'x');
  for (const output of [
    '',
    whole.slice(0, -5),
    whole + whole,
    whole.replaceAll(mark, 'audit-fedcba'),
    whole.replace('end a', 'end b'),
    whole.replace('end a 0', 'end a zero'),
  ])
    assert.equal(parseAnswers(output, mark).size, 0, JSON.stringify(output));
});

test('reads any number of beginnings without an end in time of their length', { timeout: 20_000 }, () => {
  const flood = `${mark} begin a\n`.repeat(400_000);
  assert.equal(parseAnswers(flood, mark).size, 0);
  assert.deepEqual(parseAnswers(`${flood}x\n\n${mark} end a 0\n`, mark).get('a'), { code: 0, text: 'x' });
});

test('rejects a malformed answer, and removes control characters from its quotation', () => {
  const probe = { name: 'a', command: '', form: z.enum(['Y', 'N']) };
  const read = (code: number, text: string) => readAnswer(probe, new Map([['a', { code, text }]]));
  assert.equal(read(0, 'Y'), 'Y');
  for (const [code, text] of [
    [0, ''],
    [0, 'Y\n'],
    [0, '\u001b[2J'],
    [1, 'Y'],
    [127, '\u001b[2Jnot found'],
  ] as const)
    assert.throws(
      () => read(code, text),
      (error: { code: string; why: string }) => {
        assert.equal(error.code, 'audit.probe');
        assert.doesNotMatch(error.why, /\p{C}/u);
        return true;
      },
    );
  assert.throws(() => readAnswer(probe, new Map()), { code: 'audit.probe' });
});
