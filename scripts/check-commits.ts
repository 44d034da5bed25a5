import { resolve } from 'node:path';
import { isFailure } from '../src/base/errors.ts';
import { run } from '../src/base/process.ts';

/** The last commit before the rule. */
export const firstBase = 'dc5996a8546a22518bb69982367d534efe2c4324';

const columns = 72;

/** A message in three parts: the first line, the second, which separates, and the rest. */
interface Message {
  readonly subject: string;
  readonly separator: string | undefined;
  readonly body: readonly string[];
}

/** The rules of CONTRIBUTING.md, "Commits". */
const rules: readonly (readonly [problem: string, isBroken: (message: Message) => boolean])[] = [
  [
    'the subject is not `area: subject`',
    ({ subject }) => !/^[a-z0-9]+(?:[ ,/.-]+[a-z0-9]+)*: \S/.test(subject),
  ],
  ['the subject is not imperative', ({ subject }) => /: (?!\S*eed )\S+(?:ed|ing|[^su]s) /.test(subject)],
  ['the subject ends in a full stop', ({ subject }) => subject.endsWith('.')],
  [`the subject has more than ${columns} characters`, ({ subject }) => subject.length > columns],
  ['the second line is not empty', ({ separator }) => separator !== undefined && separator !== ''],
  ['the body is missing', ({ body }) => body.length === 0],
  [`the body is not wrapped at ${columns} columns`, ({ body }) => body.some(isTooLong)],
];

/**
 * Returns true for a line that should be wrapped. A trailer such as `Co-authored-by:` and a single word such
 * as an address cannot be.
 */
function isTooLong(line: string): boolean {
  return line.length > columns && /\S\s+\S/.test(line) && !/^[A-Z][a-z]+(?:-[a-z]+)+: /.test(line);
}

/** Returns what is wrong with the message of a commit. */
export function commitProblems(text: string): readonly string[] {
  const [subject = '', separator, ...body] = text.trimEnd().split('\n');
  return rules.filter(([, isBroken]) => isBroken({ subject, separator, body })).map(([problem]) => problem);
}

/** Returns a line for each problem in the output of `git log -z --format='%H %B'`. */
export function logProblems(log: string): readonly string[] {
  const commits = log.split('\0').filter((commit) => commit !== '');
  return commits.flatMap((commit) => {
    const [hash = '', text = ''] = commit.split(/ (.*)/s);
    return commitProblems(text).map((problem) => `${hash.slice(0, 9)} ${text.split('\n')[0]}: ${problem}`);
  });
}

/**
 * Checks the commits of a checkout after a base, without merges.
 * @returns a line for each problem; undefined without that history, as in an archive or a shallow clone.
 */
export async function checkCommits(checkout: string, base: string): Promise<readonly string[] | undefined> {
  const git = (...args: string[]) =>
    run('git', ['-C', checkout, '-c', `safe.directory=${checkout}`, ...args]);
  try {
    await git('merge-base', '--is-ancestor', base, 'HEAD');
  } catch (error) {
    if (isFailure(error, 'process.failed') || isFailure(error, 'process.missing')) return undefined;
    throw error;
  }
  const { stdout } = await git('log', '-z', '--no-merges', '--format=%H %B', `${base}..HEAD`);
  return logProblems(stdout.toString('utf8'));
}

if (import.meta.main) {
  const [base] = process.argv.slice(2);
  const problems = await checkCommits(resolve(import.meta.dirname, '..'), base ?? firstBase);
  const lines = problems ?? [`Commits not checked: there is no history since ${base ?? firstBase}`];
  for (const line of lines) process.stdout.write(`${line}\n`);
  const isUnknownBase = problems === undefined && base !== undefined;
  process.exitCode = isUnknownBase || problems?.length ? 1 : 0;
}
