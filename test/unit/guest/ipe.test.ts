import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ipeText } from '../../../src/cli/commands/ipe/text.ts';
import { parseIpe } from '../../../src/guest/ipe.ts';
import { parseMachineName } from '../../../src/machine/paths.ts';

const name = parseMachineName('default');

test("the kernel's two nodes determine the mode; without an active policy it is off", () => {
  assert.equal(parseIpe('11'), 'enforce');
  assert.equal(parseIpe('01'), 'audit');
  assert.equal(parseIpe('01\n'), 'audit');
  for (const text of ['0', '1', '00', '10']) assert.equal(parseIpe(text), 'off');
});

test('rejects all other content', () => {
  for (const text of ['', '2', '111', '1 1', 'enforce', '011', 'constructor']) {
    assert.throws(() => parseIpe(text), { code: 'guest.output' });
  }
});

test('shows the running mode first, and the configured one where it differs', () => {
  const told = (runs: Parameters<typeof ipeText>[1]['runs'], configured: 'audit' | 'enforce') =>
    ipeText(name, { runs, configured }).split('\n');
  assert.equal(told('audit', 'audit').length, 1);
  assert.match(told('enforce', 'enforce').join(), /^default: ipe is enforce: only programs/);
  assert.match(told('audit', 'enforce')[1] ?? '', /after the next restart it is enforce/);
  assert.match(told('enforce', 'audit')[0] ?? '', /ipe is enforce/);
  assert.match(told('off', 'enforce').join(), /root is not verified.*with verity it is enforce/);
  assert.match(told(undefined, 'enforce').join(), /is not running: at its next start ipe is enforce/);
});

/** What each policy allows, apart from the root of its release. */
const policies = {
  'initrd-policy': [
    '1.0.0',
    /^op=(EXECUTE (boot_verified|dmverity_signature)|KMODULE dmverity_signature)=TRUE action=ALLOW$/,
  ],
  policy: ['2.0.0', /^$/],
  'policy-with-volumes': ['2.0.0', /^op=EXECUTE dmverity_signature=TRUE action=ALLOW$/],
} as const;

for (const [policy, [version, allowed]] of Object.entries(policies)) {
  test(`${policy} allows verified code only`, async () => {
    const text = await readFile(join(import.meta.dirname, '../../../image/ipe', policy), 'utf8');
    const [header, ...rules] = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    assert.equal(header, `policy_name=holdfast policy_version=${version}`);
    assert.equal(rules[0], 'DEFAULT action=DENY');
    const ofRoot = /^op=(EXECUTE|KMODULE) dmverity_roothash=sha256:ROOT_HASH action=ALLOW$/;
    const others = rules.slice(1).filter((rule) => !ofRoot.test(rule));
    for (const rule of others) assert.match(rule, allowed);
  });
}
