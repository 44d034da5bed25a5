import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { OpenDirectory } from '../../../src/base/open-directory.ts';
import { openDestination } from '../../../src/channel/copy-destination.ts';
import { spaceGuard } from '../../../src/channel/copy-space.ts';
import { makeStage } from '../../../src/channel/copy-stage.ts';

const top = mkdtempSync(join(tmpdir(), 'holdfast-place-'));
after(() => rmSync(top, { recursive: true }));
let count = 0;
let directory = '';
let victim = '';

function prepare(): void {
  directory = join(top, String(++count));
  victim = join(directory, 'victim');
  mkdirSync(victim, { recursive: true });
  writeFileSync(join(victim, 'item'), 'precious');
}

/** Another user's process: replaces a directory by a link to the victim. */
function swap(path: string): void {
  renameSync(path, `${path}.moved`);
  symlinkSync(victim, path);
}

function checkVictim(): void {
  assert.deepEqual(readdirSync(victim), ['item']);
  assert.equal(readFileSync(join(victim, 'item'), 'utf8'), 'precious');
}

test('a destination that is replaced by a link during the copy is not followed', () => {
  prepare();
  const into = join(directory, 'into');
  mkdirSync(into);
  const destination = openDestination(into, 'item');
  const stage = makeStage(destination.directory);
  swap(into);
  writeFileSync(stage.content.path('item'), 'new');
  destination.place({ directory: stage.content, name: 'item' });
  stage.remove();
  destination.close();
  checkVictim();
  assert.deepEqual(readdirSync(`${into}.moved`), ['item']);
});

test('a stage that is replaced by a link is not followed, and nothing of the other is removed', () => {
  prepare();
  const into = join(directory, 'into');
  mkdirSync(into);
  const destination = openDestination(into, 'item');
  const stage = makeStage(destination.directory);
  const [name = ''] = readdirSync(into);
  writeFileSync(stage.content.path('item'), 'new');
  swap(join(into, name));
  stage.remove();
  destination.close();
  checkVictim();
  assert.deepEqual(readdirSync(join(into, `${name}.moved`)), []);
});

test('a directory below the destination that is replaced by a link is an error', () => {
  prepare();
  mkdirSync(join(directory, 'into/item/sub'), { recursive: true });
  const destination = openDestination(join(directory, 'into'), 'item');
  const stage = makeStage(destination.directory);
  swap(join(directory, 'into/item/sub'));
  mkdirSync(stage.content.path('item'));
  mkdirSync(`${stage.content.path('item')}/sub`);
  writeFileSync(`${stage.content.path('item')}/sub/item`, 'planted');
  assert.throws(() => destination.place({ directory: stage.content, name: 'item' }), {
    code: 'copy.destination',
    why: /symbolic link in the place of a directory/,
  });
  stage.remove();
  destination.close();
  checkVictim();
});

test('only the caller can enter the stage, and removing it needs no permissions in it', () => {
  prepare();
  const parent = OpenDirectory.open(directory);
  const stage = makeStage(parent);
  const name = readdirSync(directory).find((found) => found.startsWith('.holdfast-copy.')) ?? '';
  assert.equal(statSync(join(directory, name)).mode & 0o777, 0o700);
  mkdirSync(join(directory, name, 'new/closed/deeper'), { recursive: true });
  symlinkSync(victim, join(directory, name, 'new/closed/link'));
  const closed = stage.content.child('closed');
  closed.chmod(0);
  closed.close();
  stage.remove();
  parent.close();
  assert.ok(!existsSync(join(directory, name)));
  checkVictim();
});

test('names that are no names lead nowhere', () => {
  prepare();
  const parent = OpenDirectory.open(directory);
  for (const name of ['', '.', '..', 'a/b', '/etc']) assert.throws(() => parent.path(name), /not a name/);
  symlinkSync('victim', join(directory, 'link'));
  assert.throws(() => parent.child('link'), { code: 'ENOTDIR' });
  assert.equal(parent.find('absent'), undefined);
  parent.close();
});

test('some space stays free on the host', () => {
  const disk = (bavail: number) => ({ space: () => ({ bsize: 4096, blocks: 1_000_000, bavail }) });
  const fill = (bavail: number) => spaceGuard(disk(bavail) as unknown as OpenDirectory);
  fill(50_000)(1);
  assert.throws(() => fill(49_999)(1), { code: 'copy.space' });
  const guard = fill(50_000);
  for (let bytes = 0; bytes < 1e9; bytes += 1e7) guard(1e7);
});
