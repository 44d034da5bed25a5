import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { silent } from '../../src/base/progress.ts';
import { slotPartition } from '../../src/disk/layout.ts';
import { writeImage } from '../../src/hypervisor/qemu/disk-image.ts';
import { createMachine } from '../../src/lifecycle/create.ts';
import { defaults } from '../../src/machine/limits.ts';
import { Machine } from '../../src/machine/machine.ts';
import { homeAt, parseMachineName } from '../../src/machine/paths.ts';
import { keyPair } from '../../src/release/keys.ts';
import { importRelease } from '../../src/release/store.ts';
import { updateContext } from '../../src/update/context.ts';
import { keepRelease } from '../../src/update/kept-releases.ts';
import { previewUpdate } from '../../src/update/preview.ts';
import { updateStatus } from '../../src/update/update.ts';
import { Workshop } from '../support/repository.ts';

/*
 * Results and errors for a machine that is off, which nothing starts.
 */

const shop = await Workshop.open();
after(() => shop.close());
const keys = join(shop.directory, 'release-keys');
await keyPair(keys, 'platform');
const home = { ...homeAt(join(shop.directory, 'home')), keys };
const machine = new Machine(home, parseMachineName('off'));
const files = machine.paths;
const signal = new AbortController().signal;
const update = updateContext({ machine, progress: silent, signal });
const unknown = { release: undefined, isTrial: false };
const release = await shop.release('13.1', [1, 2, 3, 4]);
const newer = await shop.release('13.2', [1, 2, 3, 5]);
await createMachine({
  ...{ machine, signal, settings: defaults, release: release.directory, progress: silent },
});

test('reads the slots from the files of the machine', async () => {
  const inSlots = async () => (await updateStatus(update)).slots;
  assert.deepEqual(await updateStatus(update), {
    ...{ phase: 'committed', committed: 'A', running: undefined },
    slots: { A: '13.1', B: undefined },
    digests: { A: (await machine.configuration()).release, B: undefined },
  });
  const place = slotPartition('A', 'root').offset + 4096;
  await writeImage(files.disk, place, Buffer.alloc(512, 'torn'));
  assert.deepEqual(await inSlots(), { A: undefined, B: undefined });
  assert.ok(!existsSync(files.run), 'nothing was started');
});

test('rejects a release of an older epoch without changes', async () => {
  const before = await machine.configuration();
  assert.equal(before.epoch, 1);
  await machine.update('test', () => ({ ...before, epoch: 2 }));
  const now = readFileSync(files.configuration, 'utf8');
  const refused = { code: 'release.epoch', why: /this machine has had a release of epoch 2/ };
  await assert.rejects(previewUpdate(update, newer.directory), refused);
  const bring = () => importRelease(newer.directory, home, silent, signal);
  await assert.rejects(keepRelease(machine, bring, unknown), refused);
  assert.equal(readFileSync(files.configuration, 'utf8'), now);
  assert.deepEqual(readdirSync(home.releases).sort(), ['.lock', before.release]);
  await machine.update('test', () => before);
  assert.equal((await keepRelease(machine, bring, unknown)).manifest.version, '13.2');
});

test('reads the configuration once, and once more under each lock', async (t) => {
  const reads = t.mock.method(Machine.prototype, 'reload');
  const fresh = new Machine(home, machine.name);
  await updateStatus(updateContext({ machine: fresh, progress: silent, signal }));
  assert.equal(reads.mock.callCount(), 1);
  const bring = () => importRelease(newer.directory, home, silent, signal);
  await keepRelease(fresh, bring, unknown);
  // the other two: to change it, and to find the releases that the machines of this home use
  assert.equal(reads.mock.callCount(), 3);
});
