import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { run, start } from '../../src/base/process.ts';
import { MiB } from '../../src/base/size.ts';
import type { updateStatusOutput } from '../../src/cli/output/updates.ts';
import { slotPartition } from '../../src/disk/layout.ts';
import { isOwn } from '../../src/firmware/own-variables.ts';
import { readVariableStore } from '../../src/firmware/store-file.ts';
import { writeImage } from '../../src/hypervisor/qemu/disk-image.ts';
import type { MachineStatus } from '../../src/lifecycle/status.ts';
import { machineConfiguration } from '../../src/machine/configuration.ts';
import { machinePaths, parseMachineName } from '../../src/machine/paths.ts';
import { keyPair } from '../../src/release/keys.ts';
import type { ReleaseManifest } from '../../src/release/manifest.ts';
import { signRelease } from '../support/fake-release.ts';
import { asRoot } from '../support/vm/guest.ts';
import {
  builtRelease,
  builtSuccessor,
  environment,
  expectDone,
  holdfast,
  home,
  program,
  successorMark,
} from '../support/vm/machine.ts';

/*
 * One machine between two releases: conflicts, an update, a failed trial, an interrupted update, a rollback, a bundle, and the
 * recovery from two destroyed slots.
 */

const name = parseMachineName('update');
const files = machinePaths(home, name);
const word = ['--machine', name] as const;
const repository = join(home.directory, 'repository-of-tests');
const bundle = join(home.directory, 'latest.holdfast');
let [first, successor, latest] = ['', '', ''];

/** What must be the same whatever happens to the slots. */
const data = 'cat /var/precious /etc/precious /home/holdfast/precious; tail -n 1 /logs/precious';

before(async () => {
  // the publisher's keys and this host's trusted metadata, from an earlier run
  for (const path of [repository, join(home.keys, 'repository'), join(home.directory, 'repository')])
    await rm(path, { recursive: true, force: true });
  first = await builtRelease();
  successor = await builtSuccessor();
  // encrypted: whatever happens to the slots, the TPM opens the data for each release
  await expectDone(['deploy', ...word, '--release', first, '--data-size', '2GB', '--encrypt-data']);
  await asRoot(
    name,
    'for path in /var /etc /home/holdfast /logs; do echo "precious $path" >$path/precious; done; sync',
  );
});
after(async () => {
  await expectDone(['remove', '--yes', ...word]);
  for (const path of [repository, latest, bundle]) await rm(path, { recursive: true, force: true });
});

async function updateStatus(): Promise<z.input<typeof updateStatusOutput>> {
  return JSON.parse(await expectDone(['update', 'status', ...word, '--json']));
}

async function hasMark(): Promise<boolean> {
  return (await holdfast(['exec', ...word, '--', 'test', '-e', successorMark])).code === 0;
}

async function dataIsThere(): Promise<void> {
  const seen = await asRoot(name, data);
  assert.equal(
    seen.trim(),
    ['/var', '/etc', '/home/holdfast', '/logs'].map((path) => `precious ${path}`).join('\n'),
  );
}

async function setHealth(health: object): Promise<void> {
  const configuration = JSON.parse(await readFile(files.configuration, 'utf8'));
  const changed = machineConfiguration.parse({ ...configuration, health });
  await writeFile(files.configuration, JSON.stringify(changed));
}

/** What a machine and the successor both have otherwise than the first release. */
const contested = [
  ['/etc/issue', 'changed'],
  ['/etc/successor', 'added'],
];

async function conflicts(...words: readonly string[]): Promise<string[][]> {
  const answer = await expectDone(['update', 'apply', ...word, '--dry-run', '--json', ...words]);
  const parsed: { changed: boolean; conflicts: { path: string; kind: string }[] } = JSON.parse(answer);
  assert.equal(parsed.changed, false);
  return parsed.conflicts.map(({ path, kind }) => [path, kind]);
}

test('files that machine and release both changed are reported, and block the update', async () => {
  const own = 'cd /etc; echo mine >issue; echo own >successor; echo mine >>login.defs; rm issue.net';
  await asRoot(name, own);
  const before = await updateStatus();
  assert.deepEqual(await conflicts('--from', successor), contested);
  assert.deepEqual(await updateStatus(), before, 'a dry run changes nothing');
  const { code, stderr } = await holdfast(['update', 'apply', ...word, '--from', successor]);
  assert.equal(code, 1);
  assert.match(stderr, /files of this machine hide changes of release .*\n.*\/etc\/issue \(changed here/);
  const { phase, committedSlot, slots } = await updateStatus();
  assert.deepEqual([phase, committedSlot], ['committed', 'A']);
  assert.ok(slots.B, 'it was written, and not tried');
});

test('a release with a failing service has one trial, and the previous release returns', async () => {
  await setHealth({ commands: [{ argv: ['test', '!', '-e', successorMark], seconds: 10 }] });
  await asRoot(
    name,
    `cat >/etc/systemd/system/gateway.service <<end
    [Unit]
    ConditionPathExists=${successorMark}
    [Service]
    Type=oneshot
    ExecStart=/bin/false
    [Install]
    WantedBy=multi-user.target
    end
    systemctl enable gateway.service; sync`.replaceAll(/^ +/gm, ''),
  );
  const { code, stderr } = await holdfast([
    ...['update', 'apply', ...word, '--from', successor, '--accept-drift'],
  ]);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /is unhealthy on this machine\n.*services failed: gateway\.service; test in the guest failed/,
  );
  const { phase, committedSlot, runningSlot } = await updateStatus();
  assert.deepEqual([phase, committedSlot, runningSlot], ['committed', 'A', 'A']);
  assert.equal(await hasMark(), false);
  await dataIsThere();
  await asRoot(name, 'systemctl disable gateway.service; rm /etc/systemd/system/gateway.service');
});

/** Adds a variable, and makes all of them read-only. */
function attackVariables(): Promise<string> {
  const attack = `cd /sys/firmware/efi/efivars
    { printf '\\007\\000\\000\\000'; head -c 1500 /dev/zero; } >/run/junk
    cat /run/junk >junk-12345678-9abc-def0-1122-334455667788
    mount -o remount,ro .`;
  return asRoot(name, attack);
}

test('an update fetches missing blocks from a repository, and is committed, also if the guest makes UEFI variables read-only', async () => {
  await setHealth({});
  await expectDone(['release', 'keys', 'init']);
  await expectDone(['release', 'publish', successor, '--repository', repository]);
  await expectDone(['set', ...word, '--repository', repository]);
  for (const [path = ''] of contested) await expectDone(['drift', ...word, '--yes', '--reset', path]);
  assert.deepEqual(await conflicts(), [], 'a path that is reset has no conflict');
  const check = JSON.parse(await expectDone(['update', 'check', ...word, '--json']));
  assert.deepEqual([check.runningVersion, check.packages], [check.offeredVersion, []]);
  await attackVariables();
  const foreign = async () => {
    const { variables } = await readVariableStore(files.variables);
    return variables.filter((variable) => !isOwn(variable)).length;
  };
  assert.equal(await foreign(), 1);
  const answer = await expectDone(['update', 'apply', ...word, '--json']);
  const { steps, changed, written } = JSON.parse(answer);
  assert.equal(changed, true);
  // it was written when it was tried before: nothing is done twice
  assert.deepEqual([steps, written], [['compare', 'finalize', 'restart', 'judge'], 0]);
  assert.equal(await foreign(), 0);
  const { phase, committedSlot, runningSlot, slots } = await updateStatus();
  assert.deepEqual([phase, committedSlot, runningSlot], ['committed', 'B', 'B']);
  assert.ok(slots.A && slots.B);
  assert.equal(await hasMark(), true);
  await dataIsThere();
  assert.equal(
    await asRoot(name, 'cd /etc; cat issue successor; tail -n 1 login.defs'),
    'the successor\nnew\nmine',
  );
  const status: MachineStatus = JSON.parse(await expectDone(['status', ...word, '--json']));
  assert.deepEqual([status.slot, status.verifiedBoot], ['B', true]);
  const again = JSON.parse(await expectDone(['update', 'apply', ...word, '--from', repository, '--json']));
  assert.deepEqual([again.changed, again.steps], [false, []]);
});

test('the next update completes an update whose processes were all killed', async () => {
  // another content than the slot has: much of it is written again
  assert.equal((await updateStatus()).runningSlot, 'B');
  const zeros = 'dd if=/dev/zero of=/dev/disk/by-partlabel/RootFS-A bs=1M count=64 conv=fsync status=none';
  await asRoot(name, zeros);
  assert.equal((await updateStatus()).slots.A, undefined);
  const apply = start(program, ['update', 'apply', ...word, '--from', first], {
    env: environment,
    stdio: 'ignore',
  });
  await sleep(6000);
  apply.kill('SIGKILL');
  await once(apply, 'exit');
  await expectDone(['stop', '--force', ...word]);
  await expectDone(['update', 'apply', ...word, '--from', first]);
  const { phase, committedSlot, runningSlot } = await updateStatus();
  assert.deepEqual([phase, committedSlot, runningSlot], ['committed', 'A', 'A']);
  assert.equal(await hasMark(), false);
  await dataIsThere();
});

test('a rollback returns to the other release after a trial', async () => {
  await expectDone(['update', 'rollback', ...word]);
  const { phase, committedSlot } = await updateStatus();
  assert.deepEqual([phase, committedSlot], ['committed', 'B']);
  assert.equal(await hasMark(), true);
  await dataIsThere();
});

/** The successor once more, of the next epoch: nothing else differs, so that no start is needed. */
async function nextEpoch(): Promise<string> {
  const directory = join(home.directory, 'build-next-epoch');
  await rm(directory, { recursive: true, force: true });
  await cp(successor, directory, { recursive: true });
  const manifest: ReleaseManifest = JSON.parse(await readFile(join(directory, 'release.json'), 'utf8'));
  const key = await keyPair(home.keys, 'release');
  await signRelease(directory, { ...manifest, epoch: manifest.epoch + 1 }, key);
  return directory;
}

/** Brings the machine to what a bundle holds, on a host that has no network at all. */
async function applyBundle(): Promise<{ strategy: string; steps: string[] }> {
  const words = ['update', 'apply', ...word, '--from', bundle, '--json'];
  const { stdout } = await run('unshare', ['--net', program, ...words], {
    env: environment,
    timeoutMs: 600_000,
  });
  return JSON.parse(stdout.toString());
}

test('an update from a bundle needs no network, and a new epoch prevents a rollback', async () => {
  latest = await nextEpoch();
  await expectDone(['release', 'bundle', latest, '--out', bundle]);
  const { strategy, steps } = await applyBundle();
  assert.deepEqual([strategy, steps], ['ranges', ['retire', 'expire']]);
  const { phase, committedSlot, slots } = await updateStatus();
  assert.deepEqual([phase, committedSlot, slots.A], ['committed', 'B', undefined]);
  const back = await holdfast(['update', 'rollback', ...word, '--json']);
  assert.match(back.stderr, /"update.no-other"/);
  for (const dry of [['--dry-run'], []]) {
    const older = await holdfast(['update', 'apply', ...word, '--from', first, '--json', ...dry]);
    assert.match(older.stderr, /"release.epoch"/);
  }
});

test('update status works while the machine is off, and does not start it', async () => {
  const { runningSlot, ...files } = await updateStatus();
  assert.equal(runningSlot, 'B');
  await expectDone(['stop', ...word]);
  assert.deepEqual(await updateStatus(), files);
  const status: MachineStatus = JSON.parse(await expectDone(['status', ...word, '--json']));
  assert.equal(status.state, 'stopped');
});

test('an update recovers a stopped machine with two destroyed slots, with its data', async () => {
  for (const slot of ['A', 'B'] as const)
    await writeImage(files.disk, slotPartition(slot, 'root').offset + MiB, randomBytes(MiB));
  const { strategy, steps } = await applyBundle();
  assert.equal(strategy, 'present');
  assert.deepEqual(steps, ['retire', 'stage', 'finalize', 'start', 'judge']);
  const { phase, committedSlot, runningSlot } = await updateStatus();
  assert.deepEqual([phase, committedSlot, runningSlot], ['committed', 'A', 'A']);
  assert.equal(await hasMark(), true);
  await dataIsThere();
});
