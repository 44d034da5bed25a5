import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { bounds } from '../../../src/channel/bounds.ts';
import { listingScript, parseListing } from '../../../src/guest/drift-listing.ts';
import { rawPath } from '../../../src/guest/overlay-path.ts';

const records: readonly (readonly string[])[] = [
  ['overlay', 'etc', 'rw,lowerdir=/sysroot/etc,upperdir=/sysroot/var/.eflow/overlays/etc/upper,uuid=on'],
  ['lower', 'd', '755', '0', '0', '427', '', ''],
  ['lower', 'f', '644', '0', '0', '12', '', 'hosts'],
  ['upper', 'd', '755', '0', '0', '4096', '', ''],
  ['upper', 'c', '0', '0', '0', '0', '', 'hosts'],
  ['upper', 'c', '600', '0', '0', '0', '', 'null'],
  ['upper', 'f', '4755', '1000', '1000', '1', '', 'two\nlines\xff'],
  ['device', '0:0', './hosts'],
  ['device', '1:3', './null'],
  ['same', 'two\nlines\xff'],
  ['opaque', ''],
  ['reset', 'two\\0012lines'],
  ['end'],
];

function output(list: readonly (readonly string[])[]): Buffer {
  return Buffer.from(
    list
      .flat()
      .map((field) => `${field}\0`)
      .join(''),
    'latin1',
  );
}

test('parses a listing', () => {
  const [listing] = parseListing(output(records), ['etc']);
  assert.ok(listing);
  assert.deepEqual(
    [...listing.upper.values()].map(({ type }) => type),
    ['directory', 'whiteout', 'device', 'file'],
  );
  assert.equal(listing.upper.get(rawPath('two\nlines\xff'))?.mode, 0o4755);
  assert.deepEqual(listing.pending, ['two\nlines']);
  assert.deepEqual([...listing.opaque], ['']);
});

test('does not compare an overlay that is not on Data', () => {
  const elsewhere = ['overlay', 'etc', 'rw,upperdir=/run/holdfast/overlays/etc/upper'];
  assert.throws(() => parseListing(output([elsewhere, ...records.slice(1)]), ['etc']), {
    code: 'drift.elsewhere',
  });
  assert.throws(() => parseListing(output([['overlay', 'etc', ''], ...records.slice(1)]), ['etc']), {
    code: 'drift.elsewhere',
  });
});

function replaced(at: number, ...by: readonly (readonly string[])[]): Buffer {
  return output([...records.slice(0, at), ...by, ...records.slice(at + 1)]);
}

const odd: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'no end': output(records.slice(0, -1)),
  'a cut in the middle': output(records).subarray(0, -7),
  'a field less': replaced(2, ['lower', 'f', '644', '0', '0', '12', 'hosts']),
  'an unknown word': replaced(9, ['color', 'red']),
  'a word of every object': replaced(9, ['toString', 'x']),
  'an unknown overlay': replaced(0, ['overlay', 'usr', 'rw']),
  'another overlay': replaced(0, ['overlay', 'home', 'upperdir=/sysroot/var/.eflow/overlays/home/upper']),
  'entries ahead of the overlay': output(records.slice(1)),
  'an unknown type': replaced(2, ['lower', 'D', '644', '0', '0', '12', '', 'hosts']),
  'a mode that is none': replaced(2, ['lower', 'f', '99', '0', '0', '12', '', 'hosts']),
  'an endless number': replaced(2, ['lower', 'f', '644', '0', '0', '9'.repeat(16), '', 'hosts']),
  'a path that leads out': replaced(2, ['lower', 'f', '644', '0', '0', '1', '', '../hosts']),
  'an absolute path': replaced(2, ['lower', 'f', '644', '0', '0', '1', '', '/hosts']),
  'the same twice': replaced(2, records[1] ?? []),
  'a device that is none': replaced(7, ['device', '0:0', './two\nlines\xff']),
  'an upper that is no directory': replaced(3, ['upper', 'l', '777', '0', '0', '4', '/usr', '']),
  'no lower': replaced(1),
  'more after its end': output([...records, ['end']]),
};
for (const [what, bytes] of Object.entries(odd))
  test(`rejects ${what}`, () => {
    assert.throws(() => parseListing(bytes, ['etc']), { code: 'guest.output' });
  });

test('lines of resets that Holdfast did not write reset nothing, and hide nothing', () => {
  for (const line of ['../x', '\x01', 'a\\x41', '\\0777', '/x']) {
    const [listing] = parseListing(replaced(11, ['reset', line]), ['etc']);
    assert.deepEqual(listing?.pending, []);
  }
});

test('what is below a path that no program can open does not hide all other changes', async () => {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-drift-listing-'));
  try {
    const upper = join(root, 'layers/home/upper');
    await mkdir(upper, { recursive: true });
    await mkdir(join(root, 'home'));
    // a path is made in two parts: no call takes it as a whole
    const name = 'd'.repeat(200);
    const half = Array.from({ length: 17 }, () => name).join('/');
    await mkdir(join(root, 'half', half), { recursive: true });
    execFileSync('mknod', [join(root, 'half', half, 'w'), 'c', '0', '0']);
    await mkdir(join(upper, half), { recursive: true });
    execFileSync('mknod', [join(upper, half, 'w'), 'c', '0', '0']);
    await rename(join(root, 'half', name), join(upper, half, name));
    await writeFile(join(upper, 'hidden'), '');
    await writeFile(join(root, 'layers/home/reset'), '\x01\n');
    const script = listingScript
      .replaceAll('/run/holdfast/data/.eflow/overlays', join(root, 'layers'))
      .replace('lower=/$name', `lower=${root}/$name`)
      .replace(/options=\$\(findmnt.*\); fi/, 'options=upperdir=/sysroot/var/.eflow/overlays/home/upper; fi');
    const listing = parseListing(execFileSync('bash', ['--norc', '-c', script, 'drift', 'home']), ['home']);
    assert.equal(listing[0]?.upper.get(rawPath('hidden'))?.type, 'file');
    assert.equal(listing[0]?.upper.get(rawPath(`${half}/w`))?.type, 'whiteout');
  } finally {
    execFileSync('rm', ['-rf', root]);
  }
});

test('rejects a listing that is longer than the bound, before it is kept', () => {
  const more = Array.from({ length: bounds.drift.count }, (_, index) => ['same', String(index)]);
  assert.throws(() => parseListing(output([...records.slice(0, -1), ...more, ['end']]), ['etc']), {
    code: 'drift.large',
  });
});

test('rejects a field without an end', () => {
  const endless = replaced(9, ['same', 'x'.repeat(bounds.driftField.bytes + 1)]);
  assert.throws(() => parseListing(endless, ['etc']), { code: 'guest.output' });
});

test('parses or rejects any output of the guest', () => {
  const good = output(records);
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
      const bytes = Buffer.from(good);
      bytes[at] = byte;
      try {
        parseListing(bytes, ['etc']);
      } catch (error) {
        assert.match(String((error as { code?: unknown }).code), /^(?:guest\.output|drift\.elsewhere)$/);
      }
    }),
  );
});
