import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { defineCommand } from '../../../../src/cli/framework/command.ts';
import { commandHelp, overviewHelp } from '../../../../src/cli/framework/help.ts';
import { anyText, optional, required, rest, setting } from '../../../../src/cli/framework/parameters.ts';

const definition = defineCommand({
  description: 'A first paragraph that is long enough to be broken into lines.\nA second one.',
  arguments: {
    source: required('SRC', 'What to copy', anyText),
    target: optional('DST', 'Where to', anyText),
    words: rest('WORD', 'More'),
  },
  flags: { outputDirectory: setting('DIR', 'Where the output goes, which is a long story to tell', anyText) },
  examples: [['holdfast move a b', 'Move a']],
  output: async () => z.never(),
  run: async () => {},
});

test('shows what a command takes, within the width', () => {
  const text = commandHelp({ name: 'move', summary: 'Move things', definition }, 60);
  assert.match(text, /^Usage: holdfast move \[flags\] SRC \[DST\] WORD \.\.\.\n\nMove things\.\n\nA first/);
  assert.match(text, /be broken into\nlines\.\n\nA second one\.\n/);
  assert.match(text, /\nArguments:\n {2}SRC {3}What to copy\n/);
  assert.match(
    text,
    /\n {2}--output-directory DIR {2}Where the output goes, which is a\n {26}long story to tell\n/,
  );
  assert.match(text, /\nExamples:\n {2}holdfast move a b {2}Move a\n$/);
  for (const line of text.split('\n')) assert(line.length <= 60, line);
});

test('in a narrow terminal each meaning is below its term', () => {
  const text = commandHelp({ name: 'move', summary: 'Move things', definition }, 40);
  assert.match(
    text,
    /\n {2}--output-directory DIR\n {6}Where the output goes, which is a\n {6}long story to tell\n/,
  );
});

test('the sections of the overview are aligned with each other', () => {
  const text = overviewHelp(
    'About.',
    { One: { a: { summary: 'First' } }, Two: { longer: { summary: 'Second' } } },
    80,
  );
  const column = (word: string) =>
    text
      .split('\n')
      .find((line) => line.includes(word))
      ?.indexOf(word);
  assert.equal(column('First'), column('Second'));
  assert.equal(column('First'), column('Print JSON'));
});

test('the hint at the end is broken into lines too', () => {
  const subcommands = { a: { summary: 'First' } };
  const [overview, group] = [
    overviewHelp('About.', { One: subcommands }, 50),
    commandHelp({ name: 'move', summary: 'Move things', definition: undefined, subcommands }, 50),
  ];
  assert.match(overview, /\nRun `holdfast help COMMAND` for the arguments,\nflags and/);
  for (const line of `${overview}${group}`.split('\n')) assert.ok(line.length <= 50, line);
});
