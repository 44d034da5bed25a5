import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import { verdicts } from '../../src/audit/claim.ts';
import { ukiPaths } from '../../src/disk/layout.ts';
import { readBootState } from '../../src/firmware/boot.ts';
import { readVariableStore } from '../../src/firmware/store-file.ts';
import { machinePaths, parseMachineName } from '../../src/machine/paths.ts';
import { askGuest } from '../support/vm/guest.ts';
import { builtRelease, expectDone, holdfast, home } from '../support/vm/machine.ts';

/*
 * One machine whose user switches verity off and on again: what runs, what the audit says of it, and that a switch waits
 * for the next start.
 */

const name = parseMachineName('unverified');
const files = machinePaths(home, name);
const word = ['--machine', name];
const audited = z.object({ results: z.array(z.object({ id: z.string(), verdict: z.enum(verdicts) })) });

before(async () => {
  await expectDone(['deploy', ...word, '--release', await builtRelease(), '--data-size', '2GB']);
});
after(async () => {
  await expectDone(['remove', '--yes', ...word]);
});

/** What the audit says of the root, and every claim that fails. */
async function audit() {
  const { stdout } = await holdfast(['audit', ...word, '--json']);
  const { results } = audited.parse(JSON.parse(stdout));
  const verdictOf = (id: string) => results.find((result) => result.id === id)?.verdict;
  return {
    root: [verdictOf('root-verity'), verdictOf('root-signature'), verdictOf('root-read-only')],
    failed: results.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id),
  };
}

async function bootedFile(): Promise<string | undefined> {
  return readBootState(await readVariableStore(files.variables)).entries.A?.file;
}

async function verity(wish: string, ...more: readonly string[]): Promise<unknown> {
  return JSON.parse(await expectDone(['verity', wish, ...word, '--json', ...more]));
}

test('verity off needs a confirmation', async () => {
  const { code, stderr } = await holdfast(['verity', 'disable', ...word]);
  assert.equal(code, 2);
  assert.match(stderr, /changes to it on the disk go undetected/);
  assert.deepEqual(await verity('status'), { machine: name, configured: 'on', active: 'on', changed: false });
});

test('verity off applies after a restart: the root is the plain partition, still read-only', async () => {
  assert.deepEqual(await verity('disable', '--yes'), {
    machine: name,
    configured: 'off',
    active: 'on',
    changed: true,
  });
  assert.match(
    await expectDone(['status', ...word]),
    /^verified boot +yes .*; verity is off from the next start$/m,
  );
  assert.equal(await bootedFile(), ukiPaths.on);
  await expectDone(['restart', ...word]);
  const { mount, dm, write } = await askGuest(name, {
    mount: 'findmnt -no SOURCE,FSTYPE,OPTIONS /',
    dm: 'dmsetup ls',
    write: 'touch /usr/x || echo denied',
  });
  assert.match(mount, /^\/dev\/vda3 erofs ro,/);
  assert.match(dm, /No devices found/);
  assert.match(write, /denied$/);
  assert.equal(await bootedFile(), ukiPaths.off);
  assert.match(await expectDone(['status', ...word]), /^verified boot +NO \(.* root off\)$/m);
  const { root, failed } = await audit();
  assert.deepEqual(root, ['off', 'off', 'pass']);
  assert.deepEqual(failed, []);
  const attested = await holdfast(['attest', ...word]);
  assert.equal(attested.code, 1, 'a start that nothing verifies proves nothing');
  assert.match(attested.stdout, /^ {2}verity is disabled: the UKI of release /m);
});

test('verity on applies after a restart: every block is verified', async () => {
  assert.deepEqual(await verity('enable'), { machine: name, configured: 'on', active: 'off', changed: true });
  assert.deepEqual(
    (await audit()).failed,
    ['root-verity', 'root-signature', 'integrity-policy'],
    'the running boot image is not the configured one',
  );
  await expectDone(['restart', ...word]);
  assert.deepEqual(await verity('status'), { machine: name, configured: 'on', active: 'on', changed: false });
  assert.equal(await bootedFile(), ukiPaths.on);
  const { root, failed } = await audit();
  assert.deepEqual(root, ['pass', 'pass', 'pass']);
  assert.deepEqual(failed, []);
});
