import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkRule, withoutRule, withRule } from '../../../src/guest/firewall-changes.ts';
import { chainLines, isAllowed, parseRules, serializeRules } from '../../../src/guest/firewall-file.ts';
import {
  type FirewallRule,
  familiesOf,
  parseComment,
  parseService,
  ruleLimit,
} from '../../../src/guest/firewall-rule.ts';
import { parseSource } from '../../../src/guest/firewall-source.ts';
import { firewallRuleLists, firewallRules } from '../../support/firewall-rules.ts';

function rule(service: string, from?: string, comment?: string): FirewallRule {
  return {
    service: parseService(service),
    from: from === undefined ? undefined : parseSource(from),
    comment: comment === undefined ? undefined : parseComment(comment),
  };
}

test('parses all rules that it encodes', () => {
  fc.assert(
    fc.property(firewallRuleLists, (rules) => {
      assert.deepEqual(parseRules(serializeRules(rules)), rules);
    }),
  );
});

test('a file with any byte changed is rejected, or is another valid file', () => {
  fc.assert(
    fc.property(firewallRuleLists, fc.nat(), fc.integer({ min: 1, max: 255 }), (rules, at, mask) => {
      const bytes = Buffer.from(serializeRules(rules));
      const index = at % bytes.length;
      bytes.writeUInt8(bytes.readUInt8(index) ^ mask, index);
      const text = bytes.toString();
      try {
        assert.equal(serializeRules(parseRules(text)), text);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'firewall.damaged');
      }
    }),
    { numRuns: 500 },
  );
});

test('the machine loads written lines at boot, and no malformed line', async () => {
  const path = '../../../image/rootfs/usr/share/holdfast/firewall/allowed.form';
  const forms = (await readFile(join(import.meta.dirname, path), 'utf8')).trimEnd().split('\n');
  // POSIX's extended regular expressions: \[ and \* mean the same here
  const isLoaded = (line: string) => forms.some((form) => new RegExp(`^(?:${form})$`, 's').test(line));
  fc.assert(
    fc.property(firewallRuleLists, (rules) => {
      for (const line of serializeRules(rules).trimEnd().split('\n')) assert.ok(isLoaded(line), line);
    }),
  );
  const good = '-A HOLDFAST -p tcp -m conntrack --ctstate NEW --ctorigdstport 80 -j ACCEPT';
  assert.ok(isLoaded(good));
  for (const line of [
    '-P INPUT ACCEPT',
    ':INPUT ACCEPT [0:0]',
    '-A INPUT -j ACCEPT',
    '-F INPUT',
    '*nat',
    good.replace('HOLDFAST', 'INPUT'),
    good.replace('--ctorigdstport 80 ', ''),
    '-A HOLDFAST -p tcp -j ACCEPT',
    '-A HOLDFAST -j ACCEPT',
    `${good} -j INPUT`,
    good.replace('-j', '-m comment --comment "a" b" -j'),
    '-4 -A HOLDFAST -p icmp -j ACCEPT',
  ])
    assert.ok(!isLoaded(line), line);
});

const damaged = {
  'no file of ours': 'hello\n',
  'a truncated file': serializeRules([rule('tcp/80')]).slice(0, -8),
  'one without its head': serializeRules([rule('tcp/80')]).replace('*filter\n', ''),
  'another table': serializeRules([rule('tcp/80')]).replace('*filter', '*nat'),
  'another chain': serializeRules([rule('tcp/80')]).replace('-A HOLDFAST', '-A INPUT'),
  'a policy': serializeRules([]).replace('COMMIT', ':INPUT ACCEPT [0:0]\nCOMMIT'),
  'another target': serializeRules([rule('tcp/80')]).replace('-j ACCEPT', '-j DROP'),
  'a port that is none': serializeRules([rule('tcp/80')]).replace(' 80 ', ' 65536 '),
  'ports the wrong way round': serializeRules([rule('tcp/80-90')]).replace('80:90', '90:80'),
  'a source that is none': serializeRules([rule('tcp/80', '10.0.0.0/8')]).replace('10.0.0.0', '10.0.0.1'),
  'a rule for the wrong family': serializeRules([rule('icmp')]).replace('-4 ', '-6 '),
  'a rule for both families': serializeRules([rule('icmp')]).replace('-4 ', ''),
  'a rule twice': serializeRules([rule('tcp/80'), rule('tcp/80')]),
  'a rule twice, with another comment': serializeRules([rule('tcp/80'), rule('tcp/80', undefined, 'x')]),
  'a comment that is none': serializeRules([rule('tcp/80', undefined, 'a b')]).replace('a b', 'a\u001bb'),
  'too many rules': serializeRules(
    Array.from({ length: ruleLimit + 1 }, (_, index) => rule(`tcp/${index + 1}`)),
  ),
};

for (const [what, text] of Object.entries(damaged)) {
  test(`rejects ${what}`, () => {
    assert.throws(() => parseRules(text), { code: 'firewall.damaged', exitCode: 1 });
  });
}

test('a missing file has no rules', () => {
  assert.deepEqual(parseRules(''), []);
  assert.deepEqual(parseRules(serializeRules([])), []);
});

test('a rule applies to both families, or to that of its source or protocol', () => {
  assert.deepEqual(familiesOf(rule('tcp/80')), ['ipv4', 'ipv6']);
  assert.deepEqual(familiesOf(rule('tcp/80', '2001:db8::/32')), ['ipv6']);
  assert.deepEqual(familiesOf(rule('udp/80', '192.0.2.0/24')), ['ipv4']);
  assert.deepEqual(familiesOf(rule('icmp')), ['ipv4']);
  assert.deepEqual(familiesOf(rule('icmpv6', '2001:db8::/32')), ['ipv6']);
  const rules = [rule('tcp/80', '2001:db8::/32', 'the web'), rule('icmp')];
  assert.deepEqual(chainLines(rules, 'ipv4'), ['-A HOLDFAST -p icmp -m icmp --icmp-type 8 -j ACCEPT']);
  assert.deepEqual(chainLines(rules, 'ipv6'), [
    '-A HOLDFAST -s 2001:db8::/32 -p tcp -m conntrack --ctstate NEW --ctorigdstport 80 -m comment --comment "the web" -j ACCEPT',
  ]);
});

test('rejects rules that allow nothing, and rules for the channel', () => {
  for (const bad of [rule('icmp', '2001:db8::/32'), rule('icmpv6', '192.0.2.0/24')])
    assert.throws(() => checkRule(bad, 'vsock'), { code: 'firewall.families', exitCode: 2 });
  for (const bad of [rule('tcp/22'), rule('tcp/1-65535'), rule('tcp/20-22', '192.0.2.7'), rule('tcp/222')]) {
    assert.throws(() => checkRule(bad, 'tcp'), { code: 'firewall.channel', exitCode: 2 });
    checkRule(bad, 'vsock');
  }
  for (const good of [rule('udp/22'), rule('tcp/223-65535'), rule('tcp/1-21'), rule('icmp')])
    checkRule(good, 'tcp');
});

test('a rule is added once; only its comment can change', () => {
  const rules = [rule('tcp/80', undefined, 'web'), rule('tcp/80', '192.0.2.0/24')];
  assert.equal(withRule(rules, rule('tcp/80')), rules);
  assert.equal(withRule(rules, rule('tcp/80', undefined, 'web')), rules);
  assert.deepEqual(withRule(rules, rule('tcp/80', undefined, 'other')), [
    rule('tcp/80', undefined, 'other'),
    rules[1],
  ]);
  assert.deepEqual(withRule(rules, rule('tcp/80-81')), [...rules, rule('tcp/80-81')]);
});

test('limits the number of rules', () => {
  const rules = Array.from({ length: ruleLimit }, (_, index) => rule(`tcp/${index + 1}`));
  assert.throws(() => withRule(rules, rule('udp/1')), { code: 'firewall.full' });
  assert.equal(withRule(rules, rule('tcp/1')), rules);
  assert.equal(parseRules(serializeRules(rules)).length, ruleLimit);
});

test('removes a rule by service and source, and no other', () => {
  const rules = [rule('tcp/80', undefined, 'web'), rule('tcp/80', '192.0.2.0/24'), rule('tcp/1-100')];
  assert.deepEqual(withoutRule(rules, rule('tcp/80')), rules.slice(1));
  for (const other of [rule('tcp/81'), rule('udp/80'), rule('tcp/80', '192.0.2.7')])
    assert.throws(() => withoutRule(rules, other), { code: 'firewall.none' });
  fc.assert(
    fc.property(firewallRuleLists, firewallRules, (list, one) => {
      const without = list.filter((each) => withRule([each], one).length === 2);
      assert.deepEqual(withoutRule(withRule(without, one), one), without);
    }),
  );
});

test('a port is allowed by any rule of its protocol that includes it', () => {
  const rules = [rule('tcp/80-90', '192.0.2.0/24'), rule('udp/53'), rule('icmp')];
  assert.ok(isAllowed(rules, 'tcp', 90) && isAllowed(rules, 'udp', 53));
  assert.ok(!isAllowed(rules, 'tcp', 91) && !isAllowed(rules, 'tcp', 53) && !isAllowed(rules, 'icmp', 8));
});
