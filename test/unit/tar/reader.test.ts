import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ArchiveError, type TarEntry } from '../../../src/tar/entry.ts';
import { encodeHeader, tarBlockSize } from '../../../src/tar/header.ts';
import { archiveLimits } from '../../../src/tar/limits.ts';
import { encodePax, parsePax } from '../../../src/tar/pax.ts';
import { ArchiveReader, fillingOf } from '../../../src/tar/reader.ts';
import { encodeEntry, endMark } from '../../../src/tar/writer.ts';

const file: TarEntry = {
  kind: 'file',
  path: 'a',
  target: '',
  mode: 0o644,
  mtime: '0',
  size: 0,
  sparseLength: undefined,
  attributes: [],
};

async function* chunksOf(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(bytes: Buffer, size = 1000): Promise<{ entry: TarEntry; content: Buffer }[]> {
  const reader = new ArchiveReader(chunksOf(bytes, size));
  const found: { entry: TarEntry; content: Buffer }[] = [];
  for (let entry = await reader.next(); entry; entry = await reader.next()) {
    const parts: Buffer[] = [];
    for await (const part of reader.content()) parts.push(part);
    found.push({ entry, content: Buffer.concat(parts) });
  }
  return found;
}

function archive(...entries: (readonly [TarEntry, Buffer?])[]): Buffer {
  const parts = entries.flatMap(([entry, content = Buffer.alloc(0)]) => [
    encodeEntry({ ...entry, size: content.length }),
    content,
    Buffer.alloc(fillingOf(content.length)),
  ]);
  return Buffer.concat([...parts, endMark]);
}

/** A pax header before a plain file without content. */
function extended(records: Buffer, size = records.length): Buffer {
  const header = { kind: 'pax', name: 'pax', target: '', mode: 0o644, size, mtime: 0 } as const;
  return Buffer.concat([
    encodeHeader(header),
    records,
    Buffer.alloc(fillingOf(records.length)),
    archive([file]),
  ]);
}

const pax = (records: Record<string, string>) => extended(encodePax(new Map(Object.entries(records))));

const bytes = (maxLength: number) =>
  fc
    .uint8Array({ minLength: 1, maxLength })
    .map((array) => Buffer.from(array).toString('latin1').replaceAll('\0', 'x'));

test('reads what it wrote, in chunks of any size', async () => {
  const entries = fc.array(
    fc.record({
      path: bytes(300).filter((path) => !path.endsWith('/')),
      mode: fc.nat(0o7777),
      mtime: fc.oneof(
        fc.integer({ min: -(2 ** 35), max: 2 ** 35 }).map(String),
        fc.nat(2 ** 30).map((seconds) => `${seconds}.25`),
      ),
      content: fc.uint8Array({ maxLength: 1500 }).map((array) => Buffer.from(array)),
      attributes: fc.uniqueArray(
        fc.tuple(
          bytes(20).map((name) => name.replaceAll('=', '-')),
          bytes(600),
        ),
        {
          selector: ([name]) => name,
          maxLength: 3,
        },
      ),
    }),
    { maxLength: 5 },
  );
  await fc.assert(
    fc.asyncProperty(entries, fc.integer({ min: 1, max: 3000 }), async (all, size) => {
      const given = all.map(({ content, ...fields }) => [{ ...file, ...fields }, content] as const);
      const found = await read(archive(...given), size);
      assert.deepEqual(
        found,
        given.map(([entry, content]) => ({ entry: { ...entry, size: content.length }, content })),
      );
    }),
    { numRuns: 50 },
  );
});

test('never accepts a truncated archive, and never hangs on damage', async () => {
  const whole = archive(
    [file, Buffer.from('x'.repeat(700))],
    [{ ...file, path: 'p'.repeat(200), mtime: '-1.5' }],
  );
  for (let length = 0; length < whole.length; length += 100)
    await assert.rejects(
      read(whole.subarray(0, length)),
      (error: ArchiveError) => error.isTruncated,
      String(length),
    );
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ change;
      await read(damaged).catch((error: unknown) => assert.ok(error instanceof ArchiveError, String(error)));
    }),
    { numRuns: 200 },
  );
});

test('rejects what GNU tar does not write', async () => {
  const header = (change: (block: Buffer) => void) => {
    const block = encodeEntry(file);
    change(block);
    block.fill(' ', 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    return Buffer.concat([block, endMark]);
  };
  const size = (text: string) => header((block) => block.write(text.padEnd(12, '\0'), 124, 'latin1'));
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [Buffer.alloc(2000, 'nonsense'), /not a tar archive/],
    [header((block) => block.write('ustar  \0', 257, 'latin1')), /not a tar archive/],
    [Buffer.concat([encodeEntry(file).fill('y', 0, 1), endMark]), /checksum/],
    [header((block) => block.write('L', 156)), /unknown type "L"/],
    [header((block) => block.write('\x1b', 156)), /unknown type "\\u001b"/],
    [size('-1'), /size/],
    [size('0x10'), /size/],
    [size('\x80\0\0\0\0\0\0\0\0\0\0\x01'), /size/],
    [size('\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff'), /size/],
    [pax({ size: '-1' }), /size/],
    [pax({ size: '9007199254740993' }), /size/],
    [pax({ size: '1e3' }), /size/],
    [pax({ path: 'a\0b' }), /invalid path/],
    [pax({ path: 'p'.repeat(archiveLimits.pathBytes + 1) }), /invalid path/],
    [pax({ mtime: 'now' }), /time/],
    [pax({ 'GNU.sparse.major': '2', 'GNU.sparse.minor': '0' }), /sparse/],
    [extended(Buffer.from('5 a=b\n')), /malformed/],
    [extended(Buffer.from('7 a=b\n')), /malformed/],
    [extended(Buffer.from('6 a=b6 a=c')), /malformed/],
    [extended(Buffer.from('6 a=b\n6 a=c\n')), /twice/],
    [extended(Buffer.alloc(0), archiveLimits.paxBytes + 1), /too large/],
    [
      Buffer.concat([encodeEntry({ ...file, kind: 'directory' }), Buffer.alloc(512, 'x')]),
      /not a tar archive/,
    ],
    [Buffer.concat([endMark, Buffer.from('x')]), /follows its end/],
    [Buffer.concat([endMark, Buffer.alloc(archiveLimits.trailingBytes + 1)]), /follows its end/],
  ];
  for (const [archived, message] of cases) await assert.rejects(read(archived), message);
  for (const kind of ['directory', 'link', 'hard-link', 'pipe'] as const)
    await assert.rejects(read(encodeEntry({ ...file, kind, size: 1 })), /has content/);
});

test('checks the map of a sparse file', async () => {
  const sparse = (map: string, data: number, length = 10_000) => {
    const padded = Buffer.alloc(Math.max(tarBlockSize, Math.ceil(map.length / tarBlockSize) * tarBlockSize));
    padded.write(map, 'latin1');
    return archive([{ ...file, sparseLength: length }, Buffer.concat([padded, Buffer.alloc(data, 1)])]);
  };
  const good = '2\n0\n5\n9000\n1000\n';
  const [found] = await read(sparse(good, 1005));
  assert.equal(found?.entry.sparseLength, 10_000);
  assert.equal(found?.content.length, tarBlockSize + 1005);
  const many = `400\n${Array.from({ length: 400 }, (_, at) => `${at * 10}\n1\n`).join('')}`;
  assert.equal((await read(sparse(many, 400)))[0]?.entry.sparseLength, 10_000);
  const bad: readonly (readonly [string, number])[] = [
    [good, 1004],
    ['1\n0\n10001\n', 10_001],
    ['2\n10\n5\n12\n5\n', 10],
    ['1\n9007199254740991\n1\n', 1],
    ['1\n-1\n1\n', 1],
    ['9999999999999999\n0\n1\n', 1],
    ['no map', 0],
    ['x'.repeat(600), 0],
  ];
  for (const [map, data] of bad) await assert.rejects(read(sparse(map, data)), /map of a sparse file/, map);
});

test('limits the number of entries', async () => {
  async function* flood(): AsyncGenerator<Buffer> {
    const many = Buffer.concat(Array.from({ length: 1000 }, () => encodeEntry(file)));
    for (;;) yield many;
  }
  const reader = new ArchiveReader(flood(), 2500);
  let count = 0;
  await assert.rejects(async () => {
    for (;;) {
      await reader.next();
      count++;
    }
  }, /more than 2500 entries/);
  assert.equal(count, 2500);
});

test('pax records know their own length', () => {
  for (let length = 1; length < 1100; length++) {
    const records = new Map([['k', 'v'.repeat(length)]]);
    assert.deepEqual(parsePax(encodePax(records)), records);
  }
});
