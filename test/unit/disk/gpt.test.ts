import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { open, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { guid } from '../../../src/base/guid.ts';
import { run } from '../../../src/base/process.ts';
import { type Bytes, GiB, MiB, TiB } from '../../../src/base/size.ts';
import {
  backupSize,
  type Copy,
  type PartitionTable,
  parseTable,
  serializeTable,
} from '../../../src/disk/gpt.ts';
import { type DiskSizes, dataSizeLimits, diskSize, layout, slotPartition } from '../../../src/disk/layout.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-table-'));
after(() => rmSync(directory, { recursive: true }));

const diskGuid = guid('01234567-89ab-cdef-0123-456789abcdef');
const small: DiskSizes = { logSize: 'small', dataSize: (2 * GiB) as Bytes };
const large: DiskSizes = { logSize: 'large', dataSize: (2 * TiB) as Bytes };

function tableOf(sizes: DiskSizes): PartitionTable {
  return { diskGuid, diskSize: diskSize(sizes), partitions: layout(sizes) };
}

test('places the eight partitions of the design one after the other', () => {
  assert.deepEqual(
    layout(large).map(({ number, name, offset, size }) => [number, name, offset / MiB, size / MiB]),
    [
      [1, 'BootEFIA', 1, 8],
      [2, 'BootA', 9, 192],
      [3, 'RootFS-A', 201, 4096],
      [4, 'BootEFIB', 4297, 8],
      [5, 'BootB', 4305, 192],
      [6, 'RootFS-B', 4497, 4096],
      [7, 'Log', 8593, 6144],
      [8, 'Data', 14737, 2097152],
    ],
  );
  assert.equal(diskSize(large) / MiB, 14737 + 2097152 + 1);
  assert.equal(layout(small)[7]?.offset, ((8593 + 1024) * MiB) as Bytes);
});

test('the place of a slot does not depend on the sizes', () => {
  for (const sizes of [small, large]) {
    assert.deepEqual(slotPartition('A', 'loader'), layout(sizes)[0]);
    assert.deepEqual(slotPartition('B', 'root'), layout(sizes)[5]);
  }
});

test('rejects a size of Data that is out of range', () => {
  const { minimum, maximum } = dataSizeLimits;
  for (const wrong of [0, minimum - MiB, minimum + 1, maximum + MiB, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => layout({ logSize: 'small', dataSize: wrong as Bytes }), {
      code: 'disk.size',
      exitCode: 2,
    });
  }
});

test('parses both copies that it encodes', () => {
  const sizes = fc.record({
    logSize: fc.constantFrom('small' as const, 'large' as const),
    dataSize: fc.integer({ min: 2048, max: 2097152 }).map((megabytes) => (megabytes * MiB) as Bytes),
  });
  fc.assert(
    fc.property(sizes, (one) => {
      const table = tableOf(one);
      const { primary, backup } = serializeTable(table);
      assert.deepEqual(parseTable('primary', primary), table);
      assert.deepEqual(parseTable('backup', backup), table);
    }),
    { numRuns: 20 },
  );
});

test('rejects a change of any single byte', () => {
  const copies = serializeTable(tableOf(small));
  const change = fc.tuple(
    fc.constantFrom<Copy>('primary', 'backup'),
    fc.oneof(fc.nat(backupSize - 1), fc.integer({ min: 446, max: 1536 })),
    fc.integer({ min: 1, max: 255 }),
  );
  fc.assert(
    fc.property(change, ([copy, at, bits]) => {
      const bytes = Buffer.from(copies[copy]);
      bytes[at] = (bytes[at] ?? 0) ^ bits;
      assert.throws(() => parseTable(copy, bytes), { code: 'disk.partitions' });
    }),
    { numRuns: 300 },
  );
});

test('rejects a table with a valid checksum but invalid partitions', () => {
  const { partitions, ...disk } = tableOf(small);
  const [first, second, ...others] = partitions;
  assert.ok(first && second);
  const wrong: Readonly<Record<string, PartitionTable>> = {
    overlap: { ...disk, partitions: [first, { ...second, offset: first.offset }, ...others] },
    'one PARTUUID twice': { ...disk, partitions: [first, { ...second, uuid: first.uuid }, ...others] },
    'partition over the header': {
      ...disk,
      partitions: [{ ...first, offset: 512 as Bytes }, second, ...others],
    },
    'disk too small': { ...disk, diskSize: (disk.diskSize - MiB) as Bytes, partitions },
    'no place': { ...disk, partitions: [{ ...first, size: 0 as Bytes }, second, ...others] },
  };
  for (const [what, table] of Object.entries(wrong)) {
    const { primary, backup } = serializeTable(table);
    assert.throws(() => parseTable('primary', primary), { code: 'disk.partitions' }, what);
    assert.throws(() => parseTable('backup', backup), { code: 'disk.partitions' }, what);
  }
  const { primary } = serializeTable(tableOf(small));
  assert.throws(() => parseTable('primary', primary.subarray(0, -1)), { code: 'disk.partitions' });
  assert.throws(() => parseTable('primary', Buffer.alloc(primary.length)), { code: 'disk.partitions' });
});

test('util-linux reads the same partitions from each copy', async () => {
  const table = tableOf(large);
  const { primary, backup } = serializeTable(table);
  const path = join(directory, 'disk');
  await writeFile(path, primary);
  await truncate(path, table.diskSize);
  const handle = await open(path, 'r+');
  try {
    await handle.write(backup, 0, backup.length, table.diskSize - backup.length);
    assert.deepEqual(await partx(path), expected(table));
    await handle.write(Buffer.alloc(primary.length - 512), 0, primary.length - 512, 512);
    assert.deepEqual(await partx(path), expected(table));
  } finally {
    await handle.close();
  }
});

async function partx(path: string): Promise<string[]> {
  const columns = 'NR,START,SECTORS,NAME,UUID,TYPE';
  const { stdout } = await run('partx', ['--raw', '--noheadings', '--output', columns, path]);
  return stdout.toString().trim().split('\n');
}

function expected({ partitions }: PartitionTable): string[] {
  return partitions.map(({ number, offset, size, name, uuid, type }) =>
    [number, offset / 512, size / 512, name, uuid, type].join(' '),
  );
}
