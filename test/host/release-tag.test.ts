import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { tagRelease } from '../../scripts/release-tag.ts';
import { run } from '../../src/base/process.ts';

const changelog = '## [0.2.0] - 2026-12-01\n\n### Added\n\n- A command.\n';

test('a version is tagged once, from a clean checkout whose last commit releases it', async (context) => {
  const checkout = await mkdtemp(join(tmpdir(), 'holdfast-tag-'));
  context.after(() => rm(checkout, { recursive: true }));
  const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@localhost', '-c', 'tag.gpgSign=false'];
  const git = (...args: string[]) => run('git', ['-C', checkout, ...identity, ...args]);
  const commit = (subject: string) => git('commit', '--quiet', '--no-gpg-sign', '--message', subject);
  const refuses = (why: RegExp) =>
    assert.rejects(tagRelease(checkout), { code: 'tag.not-ready', why }, String(why));

  await git('init', '--quiet');
  await git('config', 'user.name', 'Test');
  await git('config', 'user.email', 'test@localhost');
  await writeFile(join(checkout, 'package.json'), '{ "version": "0.3.0" }');
  await writeFile(join(checkout, 'CHANGELOG.md'), changelog);
  await git('add', '.');
  await commit('base: add a command');
  await refuses(/no dated section for 0\.3\.0/);
  await writeFile(join(checkout, 'package.json'), '{ "version": "0.2.0" }');
  await refuses(/uncommitted changes/);
  await git('add', '.');
  await commit('cli: add a command');
  await refuses(/last commit is 'cli: add a command'/);
  await git('commit', '--quiet', '--no-gpg-sign', '--amend', '--message', 'release: prepare 0.2.0');

  assert.equal(await tagRelease(checkout), 'v0.2.0');
  const { stdout } = await git('tag', '--list', '--format=%(objecttype) %(contents)', 'v0.2.0');
  assert.equal(stdout.toString().trim(), 'tag Holdfast 0.2.0\n\n### Added\n\n- A command.');
  await refuses(/exists already/);
});
