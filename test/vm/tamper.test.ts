import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readImage, writeImage } from '../../src/disk/image.ts';
import { slotPartition } from '../../src/disk/layout.ts';
import { machineLayout, parseMachineName } from '../../src/machine/home.ts';
import { builtRelease, expectDone, holdfast, layout } from './machine.ts';

/*
 * Somebody changes one byte of what was signed, on the disk of a machine that is off. It must not come up with that, and
 * does come up once the byte is as it was.
 */

const name = parseMachineName('tampered');
const files = machineLayout(layout, name);
const block = 4096;

before(async () => {
  const deploying = holdfast(['deploy', '--machine', name, '--release', await builtRelease()]);
  await stateBecomes('booting');
  await expectDone(['stop', '--force', '--machine', name]);
  assert.equal((await deploying).code, 1, 'called off before it had booted');
});
after(async () => {
  await expectDone(['remove', '--machine', name]);
});

test('a changed byte of the root stops the kernel at the block', async () => {
  const { offset } = slotPartition('A', 'root');
  // the volume name in EROFS's superblock: nobody would miss it
  const volumeName = 1024 + 64;
  await withFlippedByte(offset + volumeName, async () => {
    const console = await consoleOfStart(/Kernel panic/);
    assert.match(console, /data block 0 is corrupted/);
    assert.match(console, /Kernel panic - not syncing: dm-verity device corrupted/);
  });
});

test('a changed byte of the kernel command line is refused by the firmware, and by the fallback loader', async () => {
  const { offset } = slotPartition('A', 'boot');
  const start = await readImage(files.disk, { offset, length: 64 * 2 ** 20 });
  const commandLine = start.indexOf('dm_verity.require_signatures=1');
  assert.notEqual(commandLine, -1);
  await withFlippedByte(offset + commandLine + 'dm_verity.require_signatures='.length, async () => {
    assert.match(await consoleOfStart(/Access Denied|Security Violation/), /Holdfast A/);
  });
});

test('as it was signed, it boots', async () => {
  await expectDone(['start', '--machine', name]);
  assert.match(await expectDone(['status', '--machine', name]), /^verified boot +yes/m);
});

async function withFlippedByte(offset: number, work: () => Promise<void>): Promise<void> {
  const aligned = offset - (offset % block);
  const before = await readImage(files.disk, { offset: aligned, length: block });
  const changed = Buffer.from(before);
  changed[offset - aligned] = (before[offset - aligned] ?? 0) ^ 1;
  await writeImage(files.disk, aligned, changed);
  try {
    await work();
  } finally {
    await writeImage(files.disk, aligned, before);
  }
}

/** Starts the machine until its console shows something, and a while longer: it must not get ready. Ends it. */
async function consoleOfStart(pattern: RegExp): Promise<string> {
  const starting = holdfast(['start', '--machine', name]);
  try {
    for (let seconds = 0; ; seconds++) {
      await sleep(1000);
      if (pattern.test(await readFile(files.consoleLog, 'latin1'))) break;
      assert.ok(seconds < 180, `not on the console: ${pattern}`);
      assert.notEqual(await state(), 'running');
    }
    await sleep(10_000);
    assert.notEqual(await state(), 'running');
    return await readFile(files.consoleLog, 'latin1');
  } finally {
    await expectDone(['stop', '--force', '--machine', name]);
    assert.equal((await starting).code, 1);
  }
}

async function state(): Promise<string | undefined> {
  const { code, stdout } = await holdfast(['status', '--machine', name, '--json']);
  return code === 0 ? JSON.parse(stdout).state : undefined;
}

async function stateBecomes(wanted: string): Promise<void> {
  for (let tries = 0; (await state()) !== wanted; tries++) {
    assert.ok(tries < 300, `it did not become ${wanted}`);
    await sleep(200);
  }
}
