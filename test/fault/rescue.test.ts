import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { silent } from '../../src/base/progress.ts';
import { MiB } from '../../src/base/size.ts';
import { partitionNamed, layout as partitions, type Slot, slotPartition } from '../../src/disk/layout.ts';
import { readBootState, setBootOrder } from '../../src/firmware/boot.ts';
import { saveVariableStore } from '../../src/firmware/saved-store.ts';
import { readVariableStore, writeVariableStore } from '../../src/firmware/store-file.ts';
import { readImage, writeImage } from '../../src/hypervisor/qemu/disk-image.ts';
import { withImage } from '../../src/hypervisor/qemu/image-device.ts';
import { createMachine } from '../../src/lifecycle/create.ts';
import { machineStatus } from '../../src/lifecycle/status.ts';
import { defaults } from '../../src/machine/limits.ts';
import { Machine } from '../../src/machine/machine.ts';
import { homeAt, type machinePaths, parseMachineName } from '../../src/machine/paths.ts';
import { keyPair } from '../../src/release/keys.ts';
import { slotProblem, withBase } from '../../src/release/slot-content.ts';
import { type UpdateContext, updateContext } from '../../src/update/context.ts';
import { keptReleases } from '../../src/update/kept-releases.ts';
import { observeSlots } from '../../src/update/observe.ts';
import { isLost, rescue } from '../../src/update/rescue.ts';
import { formatImage } from '../../src/verity/format.ts';
import { makeFakeRelease, signRelease } from '../support/fake-release.ts';

/*
 * A machine that is off with destroyed slots. Disk, variables and release are real; nothing is started.
 */

let machine: Machine;
let update: UpdateContext;
let files: ReturnType<typeof machinePaths>;
let home: string;

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'holdfast-rescue-'));
  machine = new Machine(homeAt(home), parseMachineName('wreck'));
  files = machine.paths;
  const { keys } = machine.home;
  const [key] = await Promise.all([keyPair(keys, 'release'), keyPair(keys, 'platform')]);
  const release = join(home, 'release');
  const fake = await makeFakeRelease(release, key);
  const path = join(release, 'root.img');
  const formatted = await formatImage(path, fake.root.uuid);
  const sha256 = createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
  const root = { ...fake.root, ...formatted, size: (await stat(path)).size, sha256 };
  await signRelease(release, { ...fake, root }, key);
  const { signal } = new AbortController();
  update = updateContext({ machine, progress: silent, signal });
  await createMachine({
    machine,
    settings: defaults,
    release,
    progress: silent,
    signal,
  });
});
after(() => rm(home, { recursive: true }));

const rootOf = (slot: Slot) => slotPartition(slot, 'root').offset;

async function bootState() {
  const { order, next } = readBootState(await readVariableStore(files.variables));
  return { order, next };
}

async function release() {
  const [found] = await keptReleases(machine);
  assert.ok(found);
  return found;
}

test('an update of a machine with torn variables uses the saved copy', async () => {
  const whole = await readFile(files.variables);
  await saveVariableStore(files.variables);
  await writeFile(files.variables, Buffer.from(whole).fill(0, 0, 4096));
  assert.deepEqual((await observeSlots(update)).order, ['A']);
  const { slot, phase } = await machineStatus(machine);
  assert.deepEqual([slot, phase], ['A', 'committed']);
  await writeFile(files.variables, whole);
});

test('does not rescue a machine with one complete slot in its boot order', async () => {
  assert.equal(await isLost(machine), false);
  await writeImage(files.disk, rootOf('B'), randomBytes(MiB));
  assert.equal(await isLost(machine), false);
  const store = await readVariableStore(files.variables);
  await writeVariableStore(files.variables, setBootOrder(store, ['B', 'A']));
  assert.equal(await isLost(machine), false, 'B does not come up, and A follows it');
  await writeVariableStore(files.variables, setBootOrder(store, ['B']));
  assert.equal(await isLost(machine), true);
  await writeVariableStore(files.variables, store);
});

test('rescues a machine by writing a release to the slot that is not committed, also after an interruption', async () => {
  await writeImage(files.disk, rootOf('A'), randomBytes(MiB));
  assert.equal(await isLost(machine), true);
  const { dataSize } = defaults;
  const data = partitionNamed(partitions({ logSize: 'small', dataSize }), 'Data');
  const untouched = async () => {
    const ranges = [
      { offset: rootOf('A'), length: 4 * MiB },
      { offset: data.offset, length: 4 * MiB },
    ];
    const parts = await Promise.all(ranges.map((range) => readImage(files.disk, range)));
    return createHash('sha256').update(Buffer.concat(parts)).digest('hex');
  };
  const before = await untouched();

  const cut = new AbortController();
  const progress: UpdateContext['progress'] = {
    step: (title, work) => {
      if (title === 'Writing the release') cut.abort(new Error('cut'));
      return silent.step(title, work);
    },
  };
  await assert.rejects(rescue({ ...update, progress, signal: cut.signal }, await release()), /cut/);
  assert.deepEqual(await bootState(), { order: ['A'], next: undefined });
  assert.equal(await isLost(machine), true);

  const { steps, written } = await rescue(update, await release());
  assert.deepEqual(steps, ['retire', 'stage', 'finalize']);
  assert.ok(written > 0);
  assert.deepEqual(await bootState(), { order: ['A'], next: 'B' });
  const target = await release();
  const problem = await withImage(files.disk, 'read', (disk) =>
    withBase(target, (base) => slotProblem(disk, 'B', base, target.manifest)),
  );
  assert.equal(problem, undefined);
  assert.equal(await isLost(machine), false, 'the trial is what comes up');
  assert.equal(await untouched(), before, 'Data, and what is left of the committed slot');
});
