import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claims } from '../../../src/audit/claims.ts';
import { failure } from '../../../src/base/errors.ts';
import type { CommandResult, Guest } from '../../../src/channel/guest.ts';
import { coreClaims, problemsOf } from '../../../src/update/health.ts';
import { rootHash } from '../../../src/verity/root-hash.ts';
import { guestThat } from '../../support/guest.ts';

const hash = 'ab'.repeat(32);
const expected = { slot: 'B', rootHash: rootHash.parse(hash) } as const;
const asExpected = `B\nquiet holdfast.root=${hash} holdfast.blocks=1\n`;

/** A guest with an answer for each kind of command; `undefined` is a command that fails. */
function guest(answers: {
  running?: string;
  state?: string;
  container?: string;
  command?: string | undefined;
}) {
  return guestThat(async (argv): Promise<CommandResult> => {
    const line = argv.join(' ');
    const text = line.includes('is-system-running')
      ? (answers.state ?? 'running')
      : line.includes('list-units')
        ? 'gateway.service loaded failed failed Gateway\n\u001b[31mnoise'
        : line.includes('podman')
          ? (answers.container ?? 'true')
          : argv[0] === 'check'
            ? answers.command
            : (answers.running ?? asExpected);
    if (text === undefined) throw failure('guest.command', 'check in the guest failed', { why: 'no route' });
    return { code: 0, stdout: Buffer.from(text), stderr: '' };
  });
}

const health = { commands: [{ argv: ['check'], seconds: 1 }], containers: ['gateway'] };
const silent = async () => [];
/** The same guest over both channels. */
const both = (guest: Guest) => ({ guest, users: guest });

test('a healthy trial of the expected release has no problem', async () => {
  assert.deepEqual(await problemsOf(both(guest({ command: 'ok' })), silent, expected, health), []);
});

test('names all problems, not only the first', async () => {
  const ill = guest({ state: 'degraded', container: 'false', command: undefined });
  const audit = async () => [
    { id: 'lockdown', verdict: 'fail' as const, evidence: 'none' },
    { id: 'ab-servicing', verdict: 'fail' as const, evidence: 'on trial' },
    { id: 'secure-boot', verdict: 'pass' as const, evidence: 'on' },
  ];
  assert.deepEqual(await problemsOf(both(ill), audit, expected, health), [
    'services failed: gateway.service',
    'the audit fails: lockdown (none)',
    'the container gateway does not run',
    'check in the guest failed: no route',
  ]);
});

test('rejects a trial in another slot or of another release', async () => {
  for (const [running, problem] of [
    [asExpected.replace('B', 'A'), 'slot A runs instead of B'],
    [asExpected.replace('=abab', '=cdab'), `another release runs: its root hash is cdab${hash.slice(4)}`],
    ['nonsense', /cannot read the slot that the guest reports/],
    ['B\nquiet\n', /cannot read the slot that the guest reports/],
  ] as const) {
    const [found] = await problemsOf(both(guest({ running, command: 'ok' })), silent, expected, health);
    if (typeof problem === 'string') assert.equal(found, problem);
    else assert.match(found ?? '', problem);
  }
});

test('every core claim is a claim', () => {
  const known = claims.map(({ id }) => id);
  assert.deepEqual(
    coreClaims.filter((id) => !known.includes(id)),
    [],
  );
});
