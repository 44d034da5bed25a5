import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { describeService, parseComment, parseService } from '../../../src/guest/firewall-rule.ts';
import { parseSource } from '../../../src/guest/firewall-source.ts';
import { ipv4Texts, ipv6Texts, networkOf } from '../../support/firewall-rules.ts';

/* Input of users. */

test('parses services and formats them as parsed', () => {
  assert.deepEqual(parseService('tcp/8080'), { protocol: 'tcp', first: 8080, last: 8080 });
  for (const text of ['tcp/1', 'udp/65535', 'udp/5000-5010', 'icmp', 'icmpv6'])
    assert.equal(describeService(parseService(text)), text);
  assert.equal(describeService(parseService('tcp/80-80')), 'tcp/80');
});

const notServices = [
  ...[
    '',
    'tcp',
    'tcp/',
    '/80',
    '80',
    'http',
    'tcp/http',
    'tcp/80/81',
    'tcp 80',
    ' tcp/80',
    'tcp/80 ',
    'tcp/80\n',
  ],
  ...[
    'tcp/0',
    'tcp/65536',
    'tcp/99999',
    'tcp/100000',
    'tcp/-1',
    'tcp/+80',
    'tcp/080',
    'tcp/8e1',
    'tcp/0x50',
    'tcp/８０',
  ],
  ...[
    'tcp/81-80',
    'tcp/80-',
    'tcp/-80',
    'tcp/80-81-82',
    'tcp/80-65536',
    'tcp/0-80',
    'tcp/80:81',
    'tcp/80,81',
  ],
  ...['icmp/8', 'icmp/', 'icmpv6/128', 'ICMP', 'TCP/80', 'sctp/80', 'all', 'toString', '__proto__'],
];

for (const text of notServices) {
  test(`rejects the service ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseService(text), { code: 'firewall.service', exitCode: 2 });
  });
}

test('parses sources into the form of iptables', () => {
  for (const [text, source] of [
    ['192.0.2.7', '192.0.2.7/32'],
    ['192.0.2.0/24', '192.0.2.0/24'],
    ['128.0.0.0/1', '128.0.0.0/1'],
    ['2001:DB8::1', '2001:db8::1/128'],
    ['2001:db8:0:0:0:0:0:0/32', '2001:db8::/32'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7/128'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3/128'],
    ['::/1', '::/1'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201/128'],
  ] as const)
    assert.equal(parseSource(text), source);
});

const notSources = [
  ...[
    '',
    'localhost',
    'example.org',
    '10.0.0',
    '10.0.0.0.0',
    '256.0.0.1',
    '010.0.0.1',
    '10.0.0.0/33',
    '10.0.0.0/-1',
  ],
  ...[
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/8/8',
    '10.0.0.0/255.0.0.0',
    '10.0.0.1-10.0.0.9',
    ' 10.0.0.1',
    '10.0.0.1\n',
  ],
  ...[
    '10.0.0.1/8',
    '10.0.0.128/24',
    '2001:db8::1/64',
    '0.0.0.0/0',
    '::/0',
    '2001:db8::/129',
    '2001:db8:::/32',
  ],
  ...[
    'fe80::1%eth0',
    '[::1]',
    '::1',
    '::',
    '::ffff:192.0.2.1',
    '::192.0.2.1',
    '!10.0.0.1',
    '10.0.0.1,10.0.0.2',
  ],
];

for (const text of notSources) {
  test(`rejects the source ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseSource(text), { code: 'firewall.source', exitCode: 2 });
  });
}

test('proposes the network of an address with further bits', () => {
  assert.throws(() => parseSource('10.1.2.3/8'), { next: 'write 10.0.0.0/8, or 10.1.2.3 alone' });
  assert.throws(() => parseSource('2001:db8::1/33'), { next: 'write 2001:db8::/33, or 2001:db8::1 alone' });
});

test('a parsed network has its family, and parses to itself', () => {
  fc.assert(
    fc.property(fc.oneof(ipv4Texts, ipv6Texts), (text) => {
      const network = networkOf(text);
      if (network === undefined) return assert.match(text, /^[0:]+:/); // an embedded IPv4 address
      assert.equal(parseSource(network), network);
      const [address = '', prefix] = network.split('/');
      assert.equal(prefix, text.split('/')[1]);
      assert.ok(text.includes(':') ? isIPv6(address) : isIPv4(address));
    }),
  );
});

test('comments are one printable line', () => {
  for (const text of ['web', 'web server, 2nd', '-j', '!', '# 1', 'Küche ☕', 'x'.repeat(200), '$(reboot)'])
    assert.equal(parseComment(text), text);
});

const notComments = {
  empty: '',
  'a blank': ' ',
  'a blank at an end': 'web ',
  'two blanks': 'web  server',
  'a line break': 'web\n-A INPUT -j ACCEPT',
  'a tabulator': 'web\tserver',
  'an escape': '\u001b[2J',
  'a null': 'a\0b',
  'a quotation mark': 'the "web"',
  'an apostrophe': "Bob's",
  'a backslash': 'C:\\',
  'a reversed direction': '\u202eweb',
  'half a character': '\ud800',
  '300 characters': 'x'.repeat(300),
  '201 bytes': `${'x'.repeat(199)}ü`,
};

for (const [what, text] of Object.entries(notComments)) {
  test(`rejects ${what} as a comment`, () => {
    assert.throws(() => parseComment(text), { code: 'firewall.comment', exitCode: 2 });
  });
}
