import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeDirectory, makeScratchDirectory } from '../../../src/base/files.ts';
import { sourcesIn } from '../../support/sources.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-files-'));
after(() => rmSync(directory, { recursive: true }));

test('makes a directory and its parents, once', async () => {
  const path = join(directory, 'a/b/c');
  await Promise.all([makeDirectory(path, 0o700), makeDirectory(path, 0o700)]);
  await makeDirectory(path);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  assert.equal(statSync(join(directory, 'a')).mode & 0o777, 0o700);
  symlinkSync(path, join(directory, 'link'));
  await makeDirectory(join(directory, 'link/d'));
});

test('ends where a directory cannot be made', { timeout: 10_000 }, async () => {
  await assert.rejects(makeDirectory('/proc/x/y/z'), { code: 'file.no-directory', why: /in \/proc$/ });
  writeFileSync(join(directory, 'file'), '');
  await assert.rejects(makeDirectory(join(directory, 'file')), { code: 'EEXIST' });
  await assert.rejects(makeDirectory(join(directory, 'file/below')), { code: 'ENOTDIR' });
  symlinkSync('nowhere', join(directory, 'dangling'));
  await assert.rejects(makeDirectory(join(directory, 'dangling')), { code: 'ENOENT' });
});

test('a TMPDIR that cannot be written is named', async (context) => {
  const before = process.env.TMPDIR;
  context.after(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  });
  process.env.TMPDIR = join(directory, 'missing');
  await assert.rejects(makeScratchDirectory('x-'), { code: 'file.scratch', next: /TMPDIR/ });
});

test('the sources use neither recursive mkdir, which may not end, nor TMPDIR without its error', () => {
  for (const { path, lines } of sourcesIn('src')) {
    if (path === 'src/base/files.ts') continue;
    assert.doesNotMatch(lines.join('\n'), /\bmkdir(?:Sync)?\([^;]*recursive: true|\btmpdir\(\)/, path);
  }
});
