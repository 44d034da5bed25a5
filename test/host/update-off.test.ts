import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { silent } from '../../src/base/progress.ts';
import { slotPartition } from '../../src/disk/layout.ts';
import { writeImage } from '../../src/hypervisor/qemu/disk-image.ts';
import { createMachine } from '../../src/lifecycle/create.ts';
import { readConfiguration, writeConfiguration } from '../../src/machine/configuration.ts';
import { defaults } from '../../src/machine/limits.ts';
import { homeLayout, machineLayout, parseMachineName } from '../../src/machine/paths.ts';
import { keyPair } from '../../src/release/keys.ts';
import { importRelease } from '../../src/release/store.ts';
import { keepRelease } from '../../src/update/kept-releases.ts';
import type { Machine } from '../../src/update/observe.ts';
import { previewUpdate } from '../../src/update/preview.ts';
import { updateStatus } from '../../src/update/update.ts';
import { Workshop } from '../support/repository.ts';

/*
 * What is said and refused about a machine that is off, which nothing starts.
 */

const shop = await Workshop.open();
after(() => shop.close());
const keys = join(shop.directory, 'release-keys');
await keyPair(keys, 'platform');
const layout = { ...homeLayout(join(shop.directory, 'home')), keys };
const name = parseMachineName('off');
const files = machineLayout(layout, name);
const signal = new AbortController().signal;
const machine: Machine = { layout, name, progress: silent, signal };
const unknown = { release: undefined, isTrial: false };
const release = await shop.release('13.1', [1, 2, 3, 4]);
const newer = await shop.release('13.2', [1, 2, 3, 5]);
await createMachine({
  ...{ name, layout, signal, settings: defaults, release: release.directory, progress: silent },
});

test('its slots are read from its files', async () => {
  const inSlots = async () => (await updateStatus(machine)).slots;
  assert.deepEqual(await updateStatus(machine), {
    ...{ phase: 'committed', committed: 'A', running: undefined },
    slots: { A: '13.1', B: undefined },
  });
  const place = slotPartition('A', 'root').offset + 4096;
  await writeImage(files.disk, place, Buffer.alloc(512, 'torn'));
  assert.deepEqual(await inSlots(), { A: undefined, B: undefined });
  assert.ok(!existsSync(files.run), 'nothing was started');
});

test('a release of an epoch that the machine has left is refused, and nothing is changed', async () => {
  const before = await readConfiguration(layout, name);
  assert.equal(before.epoch, 1);
  await writeConfiguration(files.configuration, { ...before, epoch: 2 });
  const now = readFileSync(files.configuration, 'utf8');
  const refused = { code: 'release.epoch', why: /this machine has had a release of epoch 2/ };
  await assert.rejects(previewUpdate(machine, newer.directory), refused);
  const bring = () => importRelease(newer.directory, layout, silent, signal);
  await assert.rejects(keepRelease(machine, bring, unknown, 2), refused);
  assert.equal(readFileSync(files.configuration, 'utf8'), now);
  assert.deepEqual(readdirSync(layout.releases).sort(), ['.lock', before.release]);
  await writeConfiguration(files.configuration, before);
  assert.equal((await keepRelease(machine, bring, unknown, 1)).manifest.version, '13.2');
});
