import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { z } from 'zod';
import { verdicts } from '../../src/audit/claim.ts';
import { bootEntry } from '../../src/firmware/boot.ts';
import { serializeLoadOption } from '../../src/firmware/load-option.ts';
import { attributes, vendors } from '../../src/firmware/names.ts';
import { findVariable } from '../../src/firmware/store.ts';
import { readVariableStore } from '../../src/firmware/store-file.ts';
import { machinePaths } from '../../src/machine/paths.ts';
import { asRoot } from '../support/vm/guest.ts';
import { expectDone, holdfast, home, sharedMachine, sharedName } from '../support/vm/machine.ts';
import { inGuest, onHost } from '../support/vm/sabotages.ts';

/* The audit of a running machine, unchanged and sabotaged. Each sabotage is undone: the machine is shared. */

const files = machinePaths(home, sharedName);
const report = z.object({
  machine: z.string(),
  release: z.string(),
  rootHash: z.string(),
  time: z.iso.datetime(),
  results: z.array(z.object({ id: z.string(), verdict: z.enum(verdicts), evidence: z.string().min(1) })),
});

interface Audit {
  readonly code: number;
  readonly stderr: string;
  readonly failed: readonly string[];
  readonly evidence: ReadonlyMap<string, string>;
}

async function audit(): Promise<Audit> {
  const { code, stdout, stderr } = await holdfast(['audit', '--machine', sharedName, '--json']);
  const { results } = report.parse(JSON.parse(stdout));
  const failed = results.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id);
  return { code, stderr, failed, evidence: new Map(results.map(({ id, evidence }) => [id, evidence])) };
}

let sabotaged: Audit;

/** All sabotages at once with one audit: a separate audit takes an emulated machine half a minute. */
before(async () => {
  await sharedMachine();
  const undo: (() => Promise<unknown>)[] = [];
  try {
    const undone = inGuest.map((each) => `( ${each.undo} ) || true`);
    undo.push(() => asRoot(sharedName, undone.join('\n')));
    await asRoot(sharedName, inGuest.map(({ sabotage }) => sabotage).join('\n'));
    for (const { sabotage } of onHost) undo.push(await sabotage());
    sabotaged = await audit();
  } finally {
    for (const each of undo.toReversed()) await each();
  }
});

const all = [...inGuest, ...onHost];

for (const { what, fails, shows } of all) {
  test(`${what}: the audit names ${fails.join(', ')}`, () => {
    assert.equal(sabotaged.code, 1);
    for (const id of fails) {
      assert.ok(sabotaged.failed.includes(id), sabotaged.failed.join(', '));
      assert.ok(sabotaged.stderr.includes(id), `${id} is named`);
    }
    if (shows) assert.match(sabotaged.evidence.get(fails[0] ?? '') ?? '', shows);
  });
}

test('no claim fails that no sabotage is about', () => {
  const expected = new Set(all.flatMap(({ fails, also = [] }) => [...fails, ...also]));
  assert.deepEqual(
    sabotaged.failed.filter((id) => !expected.has(id)),
    [],
  );
});

test('a restored machine passes the audit, and its report is one HTML page', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-audit-'));
  try {
    const page = join(directory, 'audit.html');
    const text = await expectDone(['audit', '--machine', sharedName, '--html', page]);
    assert.doesNotMatch(text, / fail /);
    const html = await readFile(page, 'utf8');
    assert.match(html, /^<!doctype html>/);
    assert.ok(html.includes('<code>root-verity</code>'));
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('the audit reports boot-order when root put another loader before the slots, and the next start removes it', async () => {
  const word = ['--machine', sharedName];
  const before = await readVariableStore(files.variables);
  const order = findVariable(before, vendors.global, 'BootOrder')?.data ?? Buffer.alloc(0);
  const entry = serializeLoadOption(bootEntry('A', '\\EFI\\other.efi'));
  const number = Buffer.of(0x42, 0x00);
  const writes = [writing('Boot0042', entry), writing('BootOrder', Buffer.concat([number, order]))];
  await asRoot(sharedName, writes.join('\n'));
  const { code, failed } = await audit();
  await expectDone(['stop', ...word]);
  assert.deepEqual(failed, ['boot-order', 'boot-variables']);
  assert.equal(code, 1);
  const isOff = await holdfast(['audit', ...word]);
  assert.equal(isOff.code, 1, 'a machine that is off is not audited');
  assert.match(isOff.stderr, /is not running/);
  await expectDone(['start', ...word]);
  const after = await readVariableStore(files.variables);
  assert.equal(findVariable(after, vendors.global, 'Boot0042'), undefined);
  assert.deepEqual(findVariable(after, vendors.global, 'BootOrder')?.data, order);
});

/** Returns a line for the guest's shell that writes a variable: Linux documentation, efivarfs. */
function writing(name: string, data: Buffer): string {
  const bytes = [attributes.shared, 0, 0, 0, ...data].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`);
  return `printf '${bytes.join('')}' >/sys/firmware/efi/efivars/${name}-${vendors.global}`;
}
