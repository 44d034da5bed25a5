import fc from 'fast-check';
import { describeRule, type FirewallRule, familiesOf, isComment } from '../../src/guest/firewall-rule.ts';
import { parseSource, type Source } from '../../src/guest/firewall-source.ts';
import { anyCharacter } from './any-character.ts';

const port = fc.integer({ min: 1, max: 65_535 });
const services = fc.oneof(
  fc
    .tuple(fc.constantFrom('tcp' as const, 'udp' as const), port, port)
    .map(([protocol, one, other]) => ({ protocol, first: Math.min(one, other), last: Math.max(one, other) })),
  fc.constantFrom('icmp' as const, 'icmpv6' as const).map((protocol) => ({ protocol })),
);

/** Addresses with arbitrary bits beyond the prefix; most are not networks. */
export const ipv4Texts = fc
  .tuple(fc.ipV4(), fc.integer({ min: 1, max: 32 }))
  .map(([address, prefix]) => `${address}/${prefix}`);
export const ipv6Texts = fc
  .tuple(fc.ipV6(), fc.integer({ min: 1, max: 128 }))
  .map(([address, prefix]) => `${address}/${prefix}`);

/** Returns the network of an address, or undefined for one that is rejected anyway. */
export function networkOf(text: string): Source | undefined {
  try {
    return parseSource(text);
  } catch (error) {
    const network = /^write (\S+)\/(\d+), or /.exec((error as { next?: string }).next ?? '');
    if (!network) return undefined;
    return networkOf(`${network[1]}/${network[2]}`);
  }
}

const sources = fc
  .oneof(ipv4Texts, ipv6Texts)
  .map(networkOf)
  .filter((source) => source !== undefined);

const comments = fc
  .oneof(fc.string({ maxLength: 60 }), fc.string({ unit: anyCharacter, maxLength: 40 }))
  .map((text) => text.trim())
  .filter(isComment);

export const firewallRules: fc.Arbitrary<FirewallRule> = fc
  .record(
    {
      service: services,
      from: fc.option(sources, { nil: undefined }),
      comment: fc.option(comments, { nil: undefined }),
    },
    { noNullPrototype: true },
  )
  .filter((rule) => familiesOf(rule).length > 0);

export const firewallRuleLists = fc.uniqueArray(firewallRules, { selector: describeRule, maxLength: 12 });
