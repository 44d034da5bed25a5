import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bounds } from '../../../src/channel/bounds.ts';
import { driftJson, driftText } from '../../../src/cli/commands/drift/text.ts';
import { compareLayers, hiddenBy, type LayerEntry } from '../../../src/guest/drift.ts';
import type { MachineDrift } from '../../../src/guest/drift-report.ts';
import { rawPath } from '../../../src/guest/overlay-path.ts';

const file: LayerEntry = { type: 'file', mode: 0o644, user: 0, group: 0, size: 5, target: '' };
const directory: LayerEntry = { ...file, type: 'directory', mode: 0o755, size: 0 };
const link: LayerEntry = { ...file, type: 'link', mode: 0o777, target: '../usr/x' };
const whiteout: LayerEntry = { ...file, type: 'whiteout', mode: 0, size: 0 };

function layer(entries: Readonly<Record<string, LayerEntry>>): Map<ReturnType<typeof rawPath>, LayerEntry> {
  return new Map(Object.entries(entries).map(([name, entry]) => [rawPath(name), entry]));
}

function paths(...names: readonly string[]): Set<ReturnType<typeof rawPath>> {
  return new Set(names.map(rawPath));
}

const drift = compareLayers({
  lower: layer({
    '': directory,
    hosts: file,
    motd: file,
    link,
    owned: file,
    touched: file,
    gone: file,
    turned: file,
    unlinked: link,
    ssh: directory,
    'ssh/config': file,
    'ssh/moduli': file,
    'ssh/more': directory,
    'ssh/more/deep': file,
    apt: directory,
    'apt/list': file,
    kept: directory,
    'kept/file': file,
  }),
  upper: layer({
    turned: directory,
    'turned/new': file,
    '': directory,
    hosts: file,
    link: { ...link, target: '/elsewhere' },
    owned: { ...file, user: 1000 },
    touched: file,
    gone: whiteout,
    never: whiteout,
    unlinked: file,
    'ssh/config': { ...file, size: 9 },
    ssh: directory,
    apt: { ...directory, mode: 0o700 },
    kept: directory,
    new: directory,
    'new/file': file,
    'new-er': file,
  }),
  same: paths('owned', 'touched'),
  opaque: paths('ssh', 'new'),
});
const changes = drift.map(({ path: each, change }) => [each, change]);

test('classifies each entry of the upper layer, each directory before its content', () => {
  assert.deepEqual(changes, [
    ['apt', 'attributes'],
    ['gone', 'deleted'],
    ['hosts', 'changed'],
    ['link', 'changed'],
    ['never', 'deleted'],
    ['new', 'added'],
    ['new/file', 'added'],
    ['new-er', 'added'],
    ['owned', 'attributes'],
    ['ssh', 'opaque'],
    ['ssh/config', 'changed'],
    ['touched', 'copied'],
    ['turned', 'replaced'],
    ['turned/new', 'added'],
    ['unlinked', 'replaced'],
  ]);
  assert.equal(drift.find(({ change }) => change === 'opaque')?.hidden, 3);
});

test('counts what opaque directories hide, in time of the number of files', { timeout: 20_000 }, () => {
  const count = 40_000;
  const name = (index: number, below = '') => rawPath(`d${index % 2 ? '\x01' : '-'}${index}${below}`);
  const released = Array.from({ length: count }, (_, index) => index).flatMap((index) => [
    [name(index), directory] as const,
    [name(index, '/f'), file] as const,
  ]);
  const made = Array.from({ length: count }, (_, index) => name(index));
  const found = compareLayers({
    lower: new Map(released),
    upper: new Map([[rawPath(''), directory], ...made.map((each) => [each, directory] as const)]),
    same: new Set(),
    opaque: new Set(made),
  });
  assert.equal(found.length, count + 1);
  assert.ok(found.slice(1).every(({ hidden }) => hidden === 1));
});

test('the text of any number of differences is bounded', () => {
  const one: MachineDrift = {
    ...{ overlay: 'etc', path: rawPath(''), change: 'deleted', released: file, now: undefined },
    ...{ hidden: 0, pending: false },
  };
  const many = (length: number, path: (index: number) => string) =>
    driftText(Array.from({ length }, (_, index) => ({ ...one, path: rawPath(path(index)) })));
  const lines = many(200_000, String);
  assert.equal(lines.split('\n').length, bounds.driftText.count + 2);
  assert.match(lines, /\n… and 190000 more: --json prints all$/);
  const wide = many(20_000, (index) => `${'\xff'.repeat(250)}/`.repeat(16) + index);
  assert.ok(wide.length < 2 * bounds.driftText.bytes, String(wide.length));
});

test('a path that a directory above hides cannot be reset alone', () => {
  assert.equal(hiddenBy(drift, rawPath('ssh/config')), 'ssh');
  assert.equal(hiddenBy(drift, rawPath('ssh/moduli')), 'ssh');
  assert.equal(hiddenBy(drift, rawPath('ssh')), undefined);
  assert.equal(hiddenBy(drift, rawPath('hosts')), undefined);
  assert.equal(hiddenBy(drift, rawPath('new/file')), undefined);
  assert.equal(hiddenBy(drift, rawPath('turned/new')), undefined);
});

test('the text has one line for each difference, and one for an added directory', () => {
  const all = drift.map(
    (each): MachineDrift => ({ ...each, overlay: 'etc', pending: each.path === 'hosts' }),
  );
  const text = driftText(all);
  assert.match(text, /^added +\/etc\/new +directory, with 1 more in it$/m);
  assert.doesNotMatch(text, /new\/file/);
  assert.match(text, /^changed +\/etc\/hosts +file, 5 B → file, 5 B \(reset at the next start\)$/m);
  assert.match(text, /^attributes +\/etc\/apt +0755 0:0 → 0700 0:0$/m);
  assert.match(text, /^opaque +\/etc\/ssh +recreated; hides 3 of the release$/m);
  assert.match(text, /^replaced +\/etc\/unlinked +link to \.\.\/usr\/x → file, 5 B$/m);
  assert.equal(driftText([]), '');
});

test('the JSON output has the exact bytes', () => {
  const raw = rawPath('\xff\n');
  const [each] = compareLayers({
    lower: new Map(),
    upper: new Map([[raw, link]]),
    same: new Set(),
    opaque: new Set(),
  });
  assert.ok(each);
  assert.deepEqual(driftJson({ ...each, overlay: 'home', pending: false }), {
    path: '/home/\\xff\\x0a',
    overlay: 'home',
    base64: '/wo=',
    change: 'added',
    now: {
      type: 'link',
      mode: '0777',
      user: 0,
      group: 0,
      target: Buffer.from('../usr/x').toString('base64'),
    },
    pending: false,
  });
});
