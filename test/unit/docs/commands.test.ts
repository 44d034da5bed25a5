import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isFailure } from '../../../src/base/errors.ts';
import { understand } from '../../../src/cli/program.ts';
import { sourcesIn } from '../../support/sources.ts';

const root = join(import.meta.dirname, '../../..');

/** Its command `uptime` is an example that does not exist. */
const withExample = 'docs/development/add-a-command.md';

/** A command line, and where it stands. */
interface Mention {
  readonly place: string;
  readonly line: string;
}

const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
]
  .filter((path) => path !== withExample)
  .map((path) => ({ path, lines: readFileSync(join(root, path), 'utf8').split('\n') }));

/** Usage lines, whose placeholders are no words of a command line. */
const usage = /\[flags\]| \.\.\.|^\.\.\.|^help [A-Z]+$/;

/** Returns the command lines in the code blocks of a page. */
function inBlocks(path: string, lines: readonly string[]): Mention[] {
  let inCode = false;
  return lines.flatMap((text, index) => {
    if (text.trimStart().startsWith('```')) inCode = !inCode;
    const line = /(?:^|[|(&$] ?|sudo )(?:bin\/)?holdfast (.+)$/.exec(text.trim())?.[1];
    return inCode && line !== undefined && !usage.test(line) ? [{ place: `${path}:${index + 1}`, line }] : [];
  });
}

/** Returns the command lines in backticks, which can be incomplete: `holdfast set --memory`. */
function inSpans(path: string, lines: readonly string[]): Mention[] {
  return lines.flatMap((text, index) =>
    [...text.matchAll(/`holdfast ([^`\\$]+)\\?`/g)].map(([, line = '']) => ({
      place: `${path}:${index + 1}`,
      line,
    })),
  );
}

/** Returns the words of a simple shell command: up to a comment, a pipe or a redirection. */
function shellWords(line: string): string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"')])+/g)) {
    if (/^[#|<>;&]/.test(word)) break;
    words.push(word.replaceAll(/["']/g, ''));
  }
  return words;
}

/** Returns what is wrong with a command line as far as its words show; values are not read. */
async function mistakeIn(line: string): Promise<string | undefined> {
  try {
    await understand(shellWords(line), () => {});
    return undefined;
  } catch (error) {
    if (isFailure(error, 'usage')) return error.message;
    throw error;
  }
}

test('every command line in a code block of the documentation is one that holdfast takes', async () => {
  const mentions = pages.flatMap(({ path, lines }) => inBlocks(path, lines));
  assert.ok(mentions.length > 150, `${mentions.length}`);
  for (const { place, line } of mentions) assert.equal(await mistakeIn(line), undefined, `${place}: ${line}`);
});

test('every command and flag that documentation or sources name in backticks exists', async () => {
  const sources = sourcesIn('src', 'scripts');
  const mentions = [...pages, ...sources].flatMap(({ path, lines }) => inSpans(path, lines));
  const complete = mentions.filter(({ line }) => !usage.test(line));
  assert.ok(complete.length > 300, `${complete.length}`);
  for (const { place, line } of complete)
    assert.doesNotMatch(
      (await mistakeIn(line)) ?? '',
      /^unknown|takes no value|too many/,
      `${place}: ${line}`,
    );
});

test('wrong command lines are found', async () => {
  const text = ['```', '$ sudo bin/holdfast stat # x', 'a | holdfast set --cpu 2', '```', '`holdfast lst`'];
  assert.deepEqual(
    await Promise.all([...inBlocks('x', text), ...inSpans('x', text)].map(({ line }) => mistakeIn(line))),
    ["unknown command 'stat'", "unknown flag '--cpu'", "unknown command 'lst'"],
  );
  assert.deepEqual(shellWords('a "b c" --d=\'e\' >f # g'), ['a', 'b c', '--d=e']);
});
