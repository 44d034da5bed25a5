import assert from 'node:assert/strict';
import { copyFile, readFile, rename, rm } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import { GiB, MiB } from '../../src/base/size.ts';
import { layout as diskLayout, partitionNamed } from '../../src/disk/layout.ts';
import { readImage, writeImage } from '../../src/hypervisor/qemu/disk-image.ts';
import type { MachineStatus } from '../../src/lifecycle/status.ts';
import { forgetKeys, keepDataKeys, keptKeys, makeDataKeys } from '../../src/machine/data-keys.ts';
import { Machine } from '../../src/machine/machine.ts';
import { machinePaths, parseMachineName } from '../../src/machine/paths.ts';
import { asRoot } from '../support/vm/guest.ts';
import { builtRelease, expectDone, holdfast, home } from '../support/vm/machine.ts';
import { tamperingWith } from '../support/vm/tampering.ts';
import { tpmAttacks } from '../support/vm/tpm-attacks.ts';

/*
 * One machine whose data are encrypted: what its disk tells, what opens them and what does not. That they survive updates is
 * seen in update.test.ts.
 */

const name = parseMachineName('encrypted');
const files = machinePaths(home, name);
const word = ['--machine', name];
const kept = `${files.disk}.kept`;
const marker = 'a secret in the data';
let recoveryKey = '';

before(async () => {
  const release = await builtRelease();
  const answer = await expectDone([
    ...['deploy', ...word, '--release', release, '--data-size', '2GB', '--encrypt-data', '--json'],
  ]);
  recoveryKey = z.object({ recoveryKey: z.string() }).parse(JSON.parse(answer)).recoveryKey;
});
after(async () => {
  await expectDone(['remove', '--yes', ...word]);
});

async function offsetOf(partition: 'Data' | 'Log'): Promise<number> {
  return partitionNamed(diskLayout(await new Machine(home, name).configuration()), partition).offset;
}

async function dataIsThere(): Promise<void> {
  assert.equal(
    await asRoot(name, 'tail -qn 1 /var/marker /logs/marker /home/holdfast/marker'),
    `${marker}\n`.repeat(3).trim(),
  );
  const status: MachineStatus = JSON.parse(await expectDone(['status', ...word, '--json']));
  assert.deepEqual([status.dataEncrypted, status.recoveryKeyShown, status.guest?.degraded], [true, true, []]);
}

/** The machine must not come up, and say why. */
async function isLocked(why: RegExp): Promise<void> {
  const { code, stderr } = await holdfast(['start', ...word]);
  assert.equal(code, 1);
  assert.match(stderr, why);
  const { state, problem }: MachineStatus = JSON.parse(await expectDone(['status', ...word, '--json']));
  assert.equal(state, 'failed');
  assert.match(problem ?? '', why);
}

test('the machine unlocks its data by itself, and its disk holds no plain text', async () => {
  assert.deepEqual(await keptKeys(files.secrets), {}, 'the host forgot the keys');
  await asRoot(name, `for path in /var /logs /home/holdfast; do echo '${marker}' >$path/marker; done; sync`);
  assert.equal(await asRoot(name, tpmAttacks), '', 'root cannot clear the TPM either');
  await expectDone(['restart', ...word]);
  await dataIsThere();
  const results = z
    .object({ results: z.array(z.object({ id: z.string(), verdict: z.string(), evidence: z.string() })) })
    .parse(JSON.parse((await holdfast(['audit', ...word, '--json'])).stdout)).results;
  assert.deepEqual(
    results.filter(({ verdict }) => verdict === 'fail'),
    [],
  );
  assert.match(results.find(({ id }) => id === 'data-writable')?.evidence ?? '', /vda8, encrypted/);
  await expectDone(['stop', ...word]);
  await copyFile(files.disk, kept);
  const image = await readFile(files.disk);
  assert.equal(image.indexOf(marker), -1);
  assert.equal(image.indexOf(recoveryKey), -1);
  for (const partition of ['Data', 'Log'] as const) {
    const head = await readImage(files.disk, { offset: await offsetOf(partition), length: 4096 });
    assert.equal(head.toString('latin1', 0, 6), 'LUKS\xba\xbe', partition); // LUKS2 On-Disk Format, table 1
  }
});

test('data stays locked for a boot image of no release, although the firmware starts it', async () => {
  const undo = await tamperingWith(files, await builtRelease()).otherCommandLine();
  await isLocked(
    /Data is locked: this TPM does not open it for this boot image; if the boot image is intended, run `holdfast recovery --machine encrypted`/,
  );
  await undo();
});

test('data stays locked while Secure Boot is disabled, and `recovery` takes no key', async () => {
  const undo = await tamperingWith(files, await builtRelease()).secureBootOff();
  await isLocked(
    /Data is locked: only `holdfast recovery --machine encrypted` opens it while verity or Secure Boot is off/,
  );
  const { code, stderr } = await holdfast(['recovery', ...word], { input: recoveryKey });
  assert.equal(code, 1);
  assert.match(stderr, /would start unsigned software\n.*: SecureBootEnable$/m);
  assert.deepEqual(await keptKeys(files.secrets), {});
  await undo();
});

test('an empty partition in place of the data is not accepted, and stays empty', async () => {
  const offset = await offsetOf('Data');
  await writeImage(files.disk, offset, Buffer.alloc(MiB));
  await isLocked(/Data is locked: this TPM does not open it/);
  const found = await readImage(files.disk, { offset, length: MiB });
  assert.equal(found.equals(Buffer.alloc(MiB)), true);
});

test('a foreign volume is not accepted, even if the machine’s TPM unlocks it', async () => {
  // as an attacker with access to the TPM could: under the same policy, which is not secret
  await keepDataKeys(files.secrets, makeDataKeys());
  await isLocked(/Data is locked: the opened volume is not the one of this machine/);
  await forgetKeys(files.secrets);
  await rename(kept, files.disk);
});

test('a replaced TPM does not unlock the data until the recovery key enrols it', async () => {
  await rm(files.tpm, { recursive: true });
  await isLocked(/`holdfast recovery --machine encrypted`/);
  const recover = (key: string) => holdfast(['recovery', ...word], { input: key });
  const wrong = await recover(makeDataKeys().recoveryKey);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /not the recovery key of 'encrypted'/);
  assert.equal((await recover('no key')).code, 2);
  const right = await recover(`${recoveryKey.toUpperCase()}\n`);
  assert.equal(right.code, 0, right.stderr);
  assert.deepEqual(await keptKeys(files.secrets), {});
  assert.match((await recover(recoveryKey)).stderr, /is running/);
  await dataIsThere();
  await expectDone(['stop', ...word]);
  await expectDone(['set', ...word, '--data-size', '3GB']);
  await expectDone(['start', ...word]);
  await dataIsThere();
  const { guest }: MachineStatus = JSON.parse(await expectDone(['status', ...word, '--json']));
  assert.ok((guest?.data.size ?? 0) > 2.7 * GiB, 'and they grow with their partition');
});

test('the machine boots with any file in place of the log key, and recovery creates a new key', async () => {
  await asRoot(name, 'rm /var/.eflow/log-key; mkfifo /var/.eflow/log-key; sync');
  await expectDone(['restart', ...word]);
  const { guest }: MachineStatus = JSON.parse(await expectDone(['status', ...word, '--json']));
  assert.match(guest?.degraded.join() ?? '', /Log is locked/);
  await expectDone(['stop', ...word]);
  const recovered = JSON.parse(await expectDone(['recovery', ...word, '--json'], { input: recoveryKey }));
  assert.deepEqual([recovered.state, recovered.tpmOpens], ['running', true]);
  await dataIsThere();
});
