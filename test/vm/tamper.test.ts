import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isFailure } from '../../src/base/errors.ts';
import { type MachineStatus, machineStatus } from '../../src/lifecycle/status.ts';
import { Machine } from '../../src/machine/machine.ts';
import { machinePaths, parseMachineName } from '../../src/machine/paths.ts';
import { eventually } from '../support/eventually.ts';
import { builtRelease, expectDone, holdfast, home } from '../support/vm/machine.ts';
import { type Tampering, tamperingWith } from '../support/vm/tampering.ts';

/*
 * Each test changes one byte of a machine that is off. The machine must not run the changed data, and `status` and `logs` must
 * report the cause. With the byte restored, it boots. docs/reference/tampering.md lists the results.
 */

const name = parseMachineName('tampered');
const files = machinePaths(home, name);
const word = ['--machine', name];

/**
 * `rejected`: the start ends, and the machine is off; `halts`: the kernel stops, and is given up after its
 * last start; `boots`: it boots, because the changed data is not used, or has a second copy.
 */
type Outcome = 'rejected' | 'halts' | 'boots';

interface Case {
  readonly what: string;
  readonly change: Tampering;
  readonly outcome: Outcome;
  /** What `status` says, and for a machine that does not boot `start` and `logs` too. None: nothing is worth saying. */
  readonly says?: RegExp;
  /** Only until the kernel stops for the first time: the other starts would be the same again. */
  readonly once?: boolean;
}

const cases: readonly Case[] = [
  {
    what: 'data of the root',
    change: 'rootData',
    outcome: 'halts',
    says: /data block 0 is corrupted; Kernel panic - not syncing: dm-verity device corrupted/,
  },
  {
    what: 'the verity tree',
    change: 'verityTree',
    outcome: 'halts',
    says: /metadata block \d+ is corrupted; Kernel panic - not syncing: dm-verity device corrupted/,
    once: true,
  },
  {
    what: 'the kernel in the boot image',
    change: 'kernel',
    outcome: 'rejected',
    says: /failed to load Boot000A "Holdfast A": Access Denied; .*Error loading \\EFI\\Linux\\holdfast\.efi: Access denied; .*No bootable option/,
  },
  {
    what: 'the command line in the boot image',
    change: 'commandLine',
    outcome: 'rejected',
    says: /failed to load Boot000A "Holdfast A": Access Denied/,
  },
  {
    what: 'the initrd in the boot image',
    change: 'initrd',
    outcome: 'rejected',
    says: /failed to load Boot000A "Holdfast A": Access Denied/,
  },
  {
    what: 'the fallback loader of a machine whose variables are lost',
    change: 'loaderAndLostVariables',
    outcome: 'rejected',
    says: /failed to load Boot\w+ "UEFI Misc Device": Access Denied; No bootable option/,
  },
  {
    what: 'the keys in db',
    change: 'allowedKeys',
    outcome: 'rejected',
    says: /failed to load Boot000A "Holdfast A": Access Denied; .*"UEFI Misc Device": Access Denied; No bootable option/,
  },
  {
    what: 'the header of the variable store',
    change: 'variablesHeader',
    outcome: 'rejected',
    says: /it does not start with a firmware volume/,
  },
  {
    what: 'the boot image, replaced by the signed one without verity',
    change: 'ukiWithoutVerity',
    outcome: 'halts',
    says: /holdfast: this boot image does not verify the root, and the host did not allow that; Kernel panic/,
    once: true,
  },
  {
    what: 'the boot entry, now of the image without verity',
    change: 'bootEntryWithoutVerity',
    outcome: 'boots',
  },
  { what: 'the fallback loader', change: 'loader', outcome: 'boots' },
  { what: 'the primary partition table', change: 'primaryTable', outcome: 'boots' },
  { what: 'the backup partition table', change: 'backupTable', outcome: 'boots' },
  { what: 'BootOrder', change: 'bootOrder', outcome: 'boots', says: /^starting Boot\w+ "UEFI Misc Device"$/ },
];

before(async () => {
  const deploying = holdfast(['deploy', ...word, '--release', await builtRelease()]);
  await until('it boots', async () => (await status())?.state === 'booting');
  await expectDone(['stop', '--force', ...word]);
  assert.equal((await deploying).code, 1, 'called off before it had booted');
});
after(async () => {
  await expectDone(['remove', '--yes', ...word]);
});

for (const each of cases) {
  test(`${each.what}: ${each.outcome}`, { timeout: 500_000 }, async (context) => {
    const undo = await tamperingWith(files, await builtRelease())[each.change]();
    const began = performance.now();
    const starting = holdfast(['start', ...word]);
    try {
      const { problem } = await (each.outcome === 'boots' ? seeItBoot() : seeItFail(each, starting));
      if (each.says) assert.match(problem ?? '', each.says);
      else assert.equal(problem, undefined);
      context.diagnostic(
        `${((performance.now() - began) / 1000).toFixed(1)} s: ${problem ?? 'nothing is said'}`,
      );
    } finally {
      await holdfast(['stop', '--force', ...word]);
      await starting;
      await undo();
    }
  });
}

test('the restored machine boots', async () => {
  await expectDone(['start', ...word]);
  const text = await expectDone(['status', ...word]);
  assert.match(text, /^verified boot +yes/m);
  assert.doesNotMatch(text, /^problem/m);
});

async function seeItBoot(): Promise<MachineStatus> {
  await until('it runs', async () => (await status())?.guest !== undefined);
  const seen = await status();
  assert.equal(seen?.verifiedBoot, true);
  assert.ok(seen);
  await expectDone(['attest', ...word]); // it also proves that the running software is signed
  return seen;
}

async function seeItFail(
  { says = /./, once = false }: Case,
  starting: ReturnType<typeof holdfast>,
): Promise<MachineStatus> {
  if (once) {
    await until('the kernel stops', async () => {
      const seen = await status();
      assert.notEqual(seen?.state, 'running');
      return seen?.state === 'booting' && /panic/.test(seen.problem ?? '');
    });
  } else {
    const { code, stderr } = await starting;
    assert.equal(code, 1);
    assert.match(stderr, says);
  }
  const seen = await status();
  assert.ok(seen);
  assert.equal(seen.guest, undefined, 'nothing answers');
  assert.ok(once || ['failed', 'stopped'].includes(seen.state), seen.state);
  // a program that never ran has printed nothing
  if (seen.state !== 'stopped')
    assert.match(await expectDone(['logs', ...word]), /BdsDxe: .*(?:\n.*)*(denied|panic)/i);
  return seen;
}

/** Without a process of its own: it is asked often while the machine needs the processor. */
async function status(): Promise<MachineStatus | undefined> {
  return machineStatus(new Machine(home, name)).catch((error: unknown) => {
    if (isFailure(error, 'machine.none')) return undefined; // not deployed yet
    throw error;
  });
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  await eventually(condition, { within: 400_000, every: 500, what });
}
