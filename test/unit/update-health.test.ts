import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claims } from '../../src/audit/claims.ts';
import { failure } from '../../src/base/errors.ts';
import type { CommandResult } from '../../src/channel/session.ts';
import { coreClaims, problemsOf } from '../../src/update/health.ts';
import { rootHash } from '../../src/verity/root-hash.ts';

const hash = 'ab'.repeat(32);
const expected = { slot: 'B', rootHash: rootHash.parse(hash) } as const;
const wellReport = [
  ...['--- release', 'IMAGE_VERSION=13.7.1', '--- slot', 'B', '--- uptime', '1.00 1.00'],
  ...['--- memory', 'MemTotal: 1 kB', 'MemAvailable: 1 kB'],
  ...['--- data', ' 1B-blocks Used', ' 1 1', '--- logs', ' 1B-blocks Used', ' 1 1'],
  ...['--- rootHash', `holdfast.root=${hash}`, '--- verity', '0 8 verity V', '--- secureBoot', ' 1'],
  ...['--- lockdown', 'none [integrity] confidentiality', '--- addresses', '[]', '--- degraded', ''],
].join('\n');

/** A guest that answers each kind of command as it is told; `undefined` is a command that fails. */
function guest(answers: {
  report?: string;
  state?: string;
  container?: string;
  command?: string | undefined;
}) {
  return {
    run: async (argv: readonly string[]): Promise<CommandResult> => {
      const line = argv.join(' ');
      const text = line.includes('is-system-running')
        ? (answers.state ?? 'running')
        : line.includes('list-units')
          ? 'gateway.service loaded failed failed Gateway\n\u001b[31mnoise'
          : line.includes('podman')
            ? (answers.container ?? 'true')
            : argv[0] === 'check'
              ? answers.command
              : (answers.report ?? wellReport);
      if (text === undefined)
        throw failure('guest.command', 'check in the guest failed', { why: 'no route' });
      return { code: 0, stdout: Buffer.from(text), stderr: '' };
    },
  };
}

const health = { commands: [{ argv: ['check'], seconds: 1 }], containers: ['gateway'] };
const silent = async () => [];

test('a trial that is what was tried, and well, has no problem', async () => {
  assert.deepEqual(await problemsOf(guest({ command: 'ok' }), silent, expected, health), []);
});

test('everything that is wrong is named, not only the first', async () => {
  const ill = guest({ state: 'degraded', container: 'false', command: undefined });
  const audit = async () => [
    { id: 'lockdown', verdict: 'fail' as const, evidence: 'none' },
    { id: 'ab-servicing', verdict: 'fail' as const, evidence: 'on trial' },
    { id: 'secure-boot', verdict: 'pass' as const, evidence: 'on' },
  ];
  assert.deepEqual(await problemsOf(ill, audit, expected, health), [
    'services failed: gateway.service',
    'the audit fails: lockdown (none)',
    'the container gateway does not run',
    'check in the guest failed: no route',
  ]);
});

test('another slot or another release is not what was tried', async () => {
  for (const [report, problem] of [
    [wellReport.replace('slot\nB', 'slot\nA'), 'slot A runs instead of B'],
    [wellReport.replace('=abab', '=cdab'), `another release runs: its root hash is cdab${hash.slice(4)}`],
    ['nonsense', /what the guest says about itself cannot be read/],
  ] as const) {
    const [found] = await problemsOf(guest({ report, command: 'ok' }), silent, expected, health);
    if (typeof problem === 'string') assert.equal(found, problem);
    else assert.match(found ?? '', problem);
  }
});

test('the core claims are claims', () => {
  const known = claims.map(({ id }) => id);
  assert.deepEqual(
    coreClaims.filter((id) => !known.includes(id)),
    [],
  );
});
