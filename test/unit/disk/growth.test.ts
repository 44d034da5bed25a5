import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guid } from '../../../src/base/guid.ts';
import { type Bytes, GiB, MiB } from '../../../src/base/size.ts';
import { backupSize, parseTable, primarySize, serializeTable } from '../../../src/disk/gpt.ts';
import { currentTable, type DiskTables, type GrowthStep, planGrowth } from '../../../src/disk/growth.ts';
import { type DiskSizes, diskSize, layout, partitionNamed } from '../../../src/disk/layout.ts';

const diskGuid = guid('01234567-89ab-cdef-0123-456789abcdef');

function withData(gigabytes: number): DiskSizes {
  return { logSize: 'small', dataSize: (gigabytes * GiB) as Bytes };
}

/** A disk in memory: the written sectors by offset; all others are zero. */
class MemoryDisk {
  size: Bytes;
  readonly sectors = new Map<number, Buffer>();

  constructor(sizes: DiskSizes) {
    this.size = diskSize(sizes);
    const { primary, backup } = serializeTable({ diskGuid, diskSize: this.size, partitions: layout(sizes) });
    this.write(0, primary);
    this.write(this.size - backupSize, backup);
  }

  write(offset: number, data: Buffer): void {
    assert.ok(offset >= 0 && offset + data.length <= this.size, 'a write beyond the end');
    for (let at = 0; at < data.length; at += 512) this.sectors.set(offset + at, data.subarray(at, at + 512));
  }

  read(offset: number, length: number): Buffer {
    const sectors = [];
    for (let at = 0; at < length; at += 512) sectors.push(this.sectors.get(offset + at) ?? Buffer.alloc(512));
    return Buffer.concat(sectors);
  }

  tables(): DiskTables {
    return {
      size: this.size,
      primary: this.read(0, primarySize),
      backup: this.read(this.size - backupSize, backupSize),
    };
  }

  /** @param sectors number of sectors after which a write is interrupted. */
  take(step: GrowthStep, sectors = Number.POSITIVE_INFINITY): void {
    if (step.kind === 'write') this.write(step.offset, step.data.subarray(0, sectors * 512));
    else if (sectors > 0) this.size = step.size;
  }

  grow(sizes: DiskSizes): void {
    for (const step of planGrowth(this.tables(), sizes)) this.take(step);
  }

  dataSize(): number {
    return (
      partitionNamed(layout(withData(2)), 'Data').size &&
      (currentTable(this.tables()).partitions[7]?.size ?? 0)
    );
  }
}

function assertGrown(disk: MemoryDisk, sizes: DiskSizes): void {
  const { size, primary, backup } = disk.tables();
  const table = { diskGuid, diskSize: size, partitions: layout(sizes) };
  assert.deepEqual(parseTable('primary', primary), table);
  assert.deepEqual(parseTable('backup', backup), table);
  const data = partitionNamed(layout(sizes), 'Data');
  for (const [offset, sector] of disk.sectors) {
    const inData = offset >= data.offset && offset < data.offset + data.size;
    if (inData) assert.ok(sector.equals(Buffer.alloc(512)), `something is left at ${offset} in Data`);
  }
}

test('a disk grows, keeps its identity, and grows again', () => {
  const disk = new MemoryDisk(withData(2));
  for (const gigabytes of [3, 100, 2048]) {
    disk.grow(withData(gigabytes));
    assert.equal(disk.size, diskSize(withData(gigabytes)));
    assertGrown(disk, withData(gigabytes));
  }
});

test('plans no steps when the disk has the size already', () => {
  assert.deepEqual(planGrowth(new MemoryDisk(withData(2)).tables(), withData(2)), []);
});

test('an interruption at any point leaves a usable disk that can grow to the same or another size', () => {
  const [before, wanted] = [withData(2), withData(10)];
  const count = planGrowth(new MemoryDisk(before).tables(), wanted).length;
  assert.ok(count >= 4);
  for (let whole = 0; whole < count; whole++) {
    for (const sectors of [0, 1, 2, 17, 32]) {
      for (const next of [wanted, withData(20), withData(10 + 1 / 1024)]) {
        const disk = new MemoryDisk(before);
        const [...steps] = planGrowth(disk.tables(), wanted);
        for (const step of steps.slice(0, whole)) disk.take(step);
        const cut = steps[whole];
        assert.ok(cut);
        disk.take(cut, sectors);
        assert.ok([before, wanted].some(({ dataSize }) => dataSize === disk.dataSize()));
        disk.grow(next);
        assertGrown(disk, next);
      }
    }
  }
});

test('two interruptions in the middle of a write leave nothing of the first attempt', () => {
  const cutAfter = (disk: MemoryDisk, gigabytes: number, whole: number) => {
    const steps = planGrowth(disk.tables(), withData(gigabytes));
    for (const step of steps.slice(0, whole)) disk.take(step);
    const cut = steps[whole];
    if (cut) disk.take(cut, 2); // a torn table: the new header with the old entries, or the reverse
    return whole < steps.length;
  };
  for (let first = 0, more = true; more; first++) {
    more = cutAfter(new MemoryDisk(withData(2)), 10, first);
    for (let second = 0, moreAfter = true; moreAfter; second++) {
      const disk = new MemoryDisk(withData(2));
      cutAfter(disk, 10, first);
      moreAfter = cutAfter(disk, 20, second);
      disk.grow(withData(40));
      assertGrown(disk, withData(40));
    }
  }
});

test('an interrupted growth can continue to a smaller size if Data has not grown yet', () => {
  const disk = new MemoryDisk(withData(2));
  disk.take({ kind: 'enlarge', size: diskSize(withData(10)) });
  disk.grow(withData(5));
  assertGrown(disk, withData(5));
});

test('repairs a damaged copy from the other copy', () => {
  for (const place of ['primary', 'backup'] as const) {
    const disk = new MemoryDisk(withData(2));
    const [offset, length] = place === 'primary' ? [0, primarySize] : [disk.size - backupSize, backupSize];
    disk.write(offset, Buffer.alloc(length, 1));
    disk.grow(withData(2));
    assertGrown(disk, withData(2));
  }
});

test('rejects shrinking Data', () => {
  const disk = new MemoryDisk(withData(10));
  assert.throws(() => disk.grow(withData(9)), { code: 'disk.shrink', exitCode: 2 });
  assertGrown(disk, withData(10));
});

test('rejects a disk with another layout', () => {
  const tables = new MemoryDisk(withData(10)).tables();
  const refused = { code: 'disk.partitions', exitCode: 1 };
  assert.throws(() => planGrowth(tables, { ...withData(20), logSize: 'large' }), refused);
  const nothing = { ...tables, primary: Buffer.alloc(primarySize), backup: Buffer.alloc(backupSize) };
  assert.throws(() => planGrowth(nothing, withData(20)), refused);
  const [first, ...others] = layout(withData(10));
  assert.ok(first);
  const fewer = serializeTable({ diskGuid, diskSize: tables.size, partitions: others });
  assert.throws(() => planGrowth({ ...tables, ...fewer }, withData(20)), refused);
  const moved = [
    { ...first, offset: (first.offset + MiB / 2) as Bytes, size: (MiB / 2) as Bytes },
    ...others,
  ];
  const other = serializeTable({ diskGuid, diskSize: tables.size, partitions: moved });
  assert.throws(() => planGrowth({ ...tables, ...other }, withData(20)), refused);
});
