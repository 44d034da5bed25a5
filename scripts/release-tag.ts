import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { failure } from '../src/base/errors.ts';
import { run } from '../src/base/process.ts';
import { report } from '../src/cli/framework/report.ts';

const packageFile = z.object({ version: z.string().regex(/^\d+\.\d+\.\d+$/) });

/**
 * Returns the section of a version in a changelog in the form of Keep a Changelog, without its heading.
 * Undefined without a dated heading `## [VERSION] - YYYY-MM-DD`, or when the section is empty.
 */
export function releaseNotes(changelog: string, version: string): string | undefined {
  const [, ...sections] = changelog.split(/^## /m);
  const section = sections.find((text) => text.startsWith(`[${version}] - `));
  const [heading = '', ...lines] = section?.split('\n') ?? [];
  const notes = lines.join('\n').trim();
  return /^\[[^\]]+\] - \d{4}-\d{2}-\d{2}$/.test(heading) && notes !== '' ? notes : undefined;
}

/**
 * Creates the annotated tag of the version in `package.json`, with the changelog's section as its message.
 * @returns the name of the tag.
 * @throws HoldfastError `tag.not-ready` when the checkout does not match the version; those of `run`.
 */
export async function tagRelease(checkout: string): Promise<string> {
  const git = async (...args: string[]) =>
    (await run('git', ['-C', checkout, ...args])).stdout.toString('utf8').trim();
  const { version } = packageFile.parse(JSON.parse(await readFile(join(checkout, 'package.json'), 'utf8')));
  const tag = `v${version}`;
  const notes = releaseNotes(await readFile(join(checkout, 'CHANGELOG.md'), 'utf8'), version);
  if (notes === undefined) throw notReady(tag, `CHANGELOG.md has no dated section for ${version}`);
  if ((await git('status', '--porcelain')) !== '')
    throw notReady(tag, 'the checkout has uncommitted changes');
  const subject = await git('log', '-1', '--format=%s');
  if (subject !== `release: prepare ${version}`) throw notReady(tag, `the last commit is '${subject}'`);
  if ((await git('tag', '--list', tag)) !== '') throw notReady(tag, 'the tag exists already');
  await git('tag', '--annotate', '--cleanup=verbatim', '--message', `Holdfast ${version}\n\n${notes}`, tag);
  return tag;
}

function notReady(tag: string, why: string) {
  return failure('tag.not-ready', `cannot create the tag ${tag}`, { why, next: 'follow RELEASING.md' });
}

if (import.meta.main) {
  try {
    process.stdout.write(`Created the tag ${await tagRelease(resolve(import.meta.dirname, '..'))}\n`);
  } catch (error) {
    process.exitCode = report(error, process.stderr, false);
  }
}
