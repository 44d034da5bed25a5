import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { askGuest, parseReport, reportScript } from '../../../src/guest/report.ts';
import { guestThat } from '../../support/guest.ts';

const answers = {
  release: 'IMAGE_VERSION="13.2.20261122"',
  slot: 'A',
  uptime: '73.42 120.99',
  memory: 'MemTotal:         993656 kB\nMemAvailable:     812000 kB',
  data: ' 1B-blocks    Used Avail IFree\n10464022528 2469888 10000000000 655000',
  logs: ' 1B-blocks    Used Avail IFree\n1020702720 9150464 1000000000 65000',
  rootHash: `holdfast.root=${'ab'.repeat(32)}`,
  verity: '0 700416 verity V',
  secureBoot: '   1',
  lockdown: 'none [integrity] confidentiality',
  addresses:
    '[{"ifname":"ens3","addr_info":[{"family":"inet","local":"10.0.2.15","prefixlen":24},{"family":"inet6","local":"fec0::1"}]},{}]',
  degraded: '',
  users: '',
  ignored: '',
  asReleased: '',
};

function output(changes: Readonly<Record<string, string | undefined>> = {}): string {
  return Object.entries({ ...answers, ...changes })
    .filter(([, text]) => text !== undefined)
    .map(([name, text]) => `--- ${name}\n${text === '' ? '' : `${text}\n`}`)
    .join('');
}

test('parses all answers', () => {
  assert.deepEqual(parseReport(output()), {
    release: '13.2.20261122',
    slot: 'A',
    uptime: 73.42,
    memory: { total: 993656 * 1024, available: 812000 * 1024 },
    data: { size: 10464022528, used: 2469888, usedPercent: 1, isFull: false },
    logs: { size: 1020702720, used: 9150464, usedPercent: 1, isFull: false },
    rootHash: 'ab'.repeat(32),
    verity: 'verified',
    secureBoot: true,
    lockdown: 'integrity',
    addresses: ['10.0.2.15', 'fec0::1'],
    degraded: [],
    users: [],
    ignored: [],
    asReleased: false,
  });
});

test('shows disabled protections as off', () => {
  const report = parseReport(output({ verity: '', secureBoot: '   0', lockdown: '', addresses: '' }));
  const { verity, secureBoot, lockdown, addresses } = report;
  assert.deepEqual(
    { verity, secureBoot, lockdown, addresses },
    { verity: 'off', secureBoot: false, lockdown: 'none', addresses: [] },
  );
});

test('shows degraded functions', () => {
  const { degraded } = parseReport(output({ degraded: 'Log is gone\n/etc is in memory' }));
  assert.deepEqual(degraded, ['Log is gone', '/etc is in memory']);
});

test('shows a corrupted root', () => {
  assert.equal(parseReport(output({ verity: '0 700416 verity C' })).verity, 'corrupted');
});

const odd: Readonly<Record<string, Readonly<Record<string, string | undefined>>>> = {
  'a slot that does not exist': { slot: 'C' },
  'no slot': { slot: undefined },
  'an unknown section': { colour: 'red' },
  'a short root hash': { rootHash: 'holdfast.root=abcd' },
  'no root hash': { rootHash: '' },
  'a table that is not verity': { verity: '0 700416 linear' },
  'an endless number': { uptime: `${'9'.repeat(20)}.00 1.00` },
  'terminal controls in the version': { release: 'IMAGE_VERSION=\u001b[2J' },
  'something that is no address': { addresses: '[{"addr_info":[{"local":"\u001b[2J"}]}]' },
  'addresses that are not JSON': { addresses: '[' },
  'terminal controls in what is missing': { degraded: '\u001b[2J' },
  'a file without effect that is not known': { ignored: 'x' },
  'no end of what is missing': { degraded: 'x\n'.repeat(30) },
};
for (const [what, changes] of Object.entries(odd))
  test(`rejects ${what}`, () => {
    assert.throws(() => parseReport(output(changes)), { code: 'guest.output', exitCode: 1 });
  });

for (const text of ['', '--- ', 'no marker', '--- slot'])
  test(`rejects ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseReport(text), { code: 'guest.output' });
  });

test('sends one command with a time limit', async () => {
  const asked: unknown[] = [];
  const run = async (...call: unknown[]) => {
    asked.push(call);
    return { code: 0, stdout: Buffer.from(output()), stderr: '' };
  };
  assert.equal((await askGuest(guestThat(run))).slot, 'A');
  assert.deepEqual(asked, [
    [['setarch', '--addr-no-randomize', 'sh', '-c', reportScript], { timeoutMs: 30_000 }],
  ]);
});

test('the script names every section, even when commands fail', () => {
  const text = execFileSync('sh', ['-c', reportScript], { encoding: 'utf8' });
  assert.deepEqual(
    [...text.matchAll(/^--- (.*)$/gm)].map(([, name]) => name),
    Object.keys(answers),
  );
});

test('a report that repeats an answer is rejected: a name on the disk may look like one', () => {
  const forged = output({ degraded: 'a volume\n--- release\nIMAGE_VERSION=9.9' });
  assert.throws(() => parseReport(forged), { code: 'guest.output', why: 'an answer is repeated' });
});
