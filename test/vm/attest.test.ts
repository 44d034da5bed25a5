import assert from 'node:assert/strict';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import { machinePaths, parseMachineName } from '../../src/machine/paths.ts';
import { asRoot } from '../support/vm/guest.ts';
import { builtRelease, type CommandResult, expectDone, holdfast, home } from '../support/vm/machine.ts';
import { type Tampering, tamperingWith } from '../support/vm/tampering.ts';
import { tpmAttacks } from '../support/vm/tpm-attacks.ts';

/*
 * A machine proves its boot on this host and to another host, and cannot after any other boot. verity.test.ts
 * tests disabled verity, tamper.test.ts a boot through the fallback loader.
 */

const name = parseMachineName('attested');
const files = machinePaths(home, name);
const word = ['--machine', name];
const asked = 'c0ffee'.repeat(10);
/** The files of the other host: evidence, trusted keys, and a home without machines. */
const directory = await mkdtemp(join(tmpdir(), 'holdfast-attest-'));
const kept = join(directory, 'evidence');
const trusted = join(directory, 'trust');

const verdict = z.object({ passed: z.boolean(), reasons: z.array(z.string()), fresh: z.boolean() });

before(async () => {
  await expectDone(['deploy', ...word, '--release', await builtRelease(), '--data-size', '2GB']);
});
after(async () => {
  await expectDone(['remove', '--yes', ...word]);
  await rm(directory, { recursive: true });
});

/** Returns the verdict of `attest` or `attest verify`, which the exit code must match. */
function verdictOf({ code, stdout, stderr }: CommandResult): z.output<typeof verdict> {
  assert.notEqual(stdout, '', stderr);
  const said = verdict.parse(JSON.parse(stdout));
  assert.equal(code, said.passed ? 0 : 1);
  return said;
}

async function attest(...flags: readonly string[]) {
  return verdictOf(await holdfast(['attest', ...word, '--json', ...flags]));
}

/** Verifies as another host does, with the given files only. */
function verifyElsewhere(...flags: readonly string[]): Promise<CommandResult> {
  return holdfast(['attest', 'verify', '--json', ...flags], {
    env: { HOLDFAST_HOME: join(directory, 'home') },
  });
}

test('an unchanged machine passes attestation on its host and on another host', async () => {
  assert.deepEqual(await attest('--nonce', asked, '--out', kept), { passed: true, reasons: [], fresh: true });
  await writeFile(trusted, await expectDone(['attest', 'trust', ...word]));
  const verify = async (...flags: string[]) =>
    verdictOf(await verifyElsewhere(kept, '--trust', trusted, ...flags));
  assert.deepEqual(await verify('--nonce', asked), { passed: true, reasons: [], fresh: true });
  assert.equal(
    (await verify()).fresh,
    false,
    'without a question of its own the judge cannot tell how old it is',
  );
  const { passed, reasons } = await verify('--nonce', '00'.repeat(32));
  assert.equal(passed, false);
  assert.match(reasons.join(), /answers another nonce/);
});

test('tpm status shows each register next to the value computed from the release', async () => {
  const text = await expectDone(['tpm', 'status', ...word]);
  for (const pcr of [4, 7, 11, 12])
    assert.match(text, new RegExp(`^${pcr} +([0-9a-f]{16}…) +\\1 +same `, 'm'));
  assert.match(text, /^all registers match release /m);
});

test('a verifier without trust in the machine reports that, and changed evidence fails', async () => {
  const unknown = await verifyElsewhere(kept);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /attest trust/);
  const evidence = z.record(z.string(), z.unknown()).parse(JSON.parse(await readFile(kept, 'utf8')));
  const other = join(directory, 'changed');
  for (const part of ['quote', 'signature', 'pcrs', 'log', 'nonce']) {
    const text = z.string().parse(evidence[part]);
    // of the log: within its first digest, as descriptions are not covered by a signature
    const at = part === 'log' ? 120 : Math.floor(text.length / 2);
    const swapped = text[at] === 'a' ? 'b' : 'a';
    await writeFile(
      other,
      JSON.stringify({ ...evidence, [part]: text.slice(0, at) + swapped + text.slice(at + 1) }),
    );
    assert.equal(verdictOf(await verifyElsewhere(other, '--trust', trusted)).passed, false, part);
  }
});

test('root in the guest cannot take the attestation key away', async () => {
  assert.equal(await asRoot(name, tpmAttacks), '');
  assert.equal((await attest()).passed, true);
  // the tests below start the machine again, and its evidence is still signed by this key
});

test('attestation detects a measurement that root in the guest adds later', async () => {
  const extend = `tpm2_pcrextend --tcti device:/dev/tpmrm0 11:sha256=${'00'.repeat(32)}`;
  await expectDone(['exec', ...word, '--', 'sudo', 'sh', '-c', extend]);
  const { passed, reasons } = await attest();
  assert.equal(passed, false);
  assert.match(reasons.join(), /does not match PCR 11/);
});

/** Changed boots and their reported reasons. */
const changes = [
  {
    change: 'otherCommandLine',
    what: 'another command line, signed with the release key',
    says: [
      /^another program was started instead of the UKI of release .*PCR 4/,
      /^differs from release .*: the command line \(PCR 11\)$/,
    ],
  },
  {
    change: 'otherStub',
    what: 'another UKI',
    says: [/^another program was started instead of the UKI of release .*PCR 4/],
  },
  {
    change: 'secureBootOff',
    what: 'Secure Boot off',
    says: [/^Secure Boot was disabled/, /^another program was started in addition to the UKI/],
  },
] as const satisfies readonly { change: Tampering; what: string; says: readonly RegExp[] }[];

for (const { change, what, says } of changes) {
  test(`${what}: the machine comes up, and cannot prove its start`, async () => {
    await expectDone(['stop', ...word]);
    const undo = await tamperingWith(files, await builtRelease())[change]();
    try {
      await expectDone(['start', ...word]);
      const { passed, reasons } = await attest();
      assert.equal(passed, false);
      assert.equal(reasons.length, says.length, reasons.join('; '));
      for (const [index, pattern] of says.entries()) assert.match(reasons[index] ?? '', pattern);
      const first = says[0].source.replace('^', '');
      assert.match(
        await expectDone(['tpm', 'status', ...word]),
        new RegExp(`^first difference: ${first}`, 'm'),
      );
    } finally {
      await holdfast(['stop', '--force', ...word]);
      await undo();
    }
  });
}

test('a host that trusted the first TPM rejects the evidence of a replaced TPM', async () => {
  await rename(files.tpm, join(directory, 'tpm'));
  await expectDone(['start', ...word]);
  assert.equal((await attest('--out', kept)).passed, true, 'the host itself made the new one');
  const { passed, reasons } = verdictOf(await verifyElsewhere(kept, '--trust', trusted));
  assert.equal(passed, false);
  assert.match(reasons.join(), /not signed by the attestation key of this machine/);
});
