import { isIPv4, isIPv6 } from 'node:net';
import { misuse } from '../base/errors.ts';

/**
 * A source network as iptables(8) prints it, such as `192.0.2.0/24` or `2001:db8::1/128`. Branded: text of a user must be
 * parsed.
 */
export type Source = string & { readonly __brand: 'Source' };

export type Family = 'ipv4' | 'ipv6';

/** Returns the address family of a source. */
export function familyOf(source: Source): Family {
  return source.includes(':') ? 'ipv6' : 'ipv4';
}

/** Bits of an address, and of each number in its notation. */
const widths = { ipv4: { address: 32, part: 8 }, ipv6: { address: 128, part: 16 } } as const;

/**
 * Parses an address or a network in CIDR notation (RFC 4632, RFC 4291 section 2.3).
 * @throws HoldfastError `firewall.source` (exit code 2).
 */
export function parseSource(text: string): Source {
  const [, address = '', length] = /^([0-9a-f.:]+)(?:\/(0|[1-9]\d{0,2}))?$/i.exec(text) ?? [];
  const family = isIPv4(address) ? 'ipv4' : isIPv6(address) ? 'ipv6' : undefined;
  if (family === undefined) throw notASource(text, 'it is neither an address nor a network in CIDR notation');
  const width = widths[family].address;
  const prefix = length === undefined ? width : Number(length);
  if (prefix > width) throw notASource(text, `such an address has ${width} bits`);
  if (prefix === 0) {
    throw misuse('firewall.source', `'${text}' contains every address`, {
      next: 'omit --from: the rule then applies to every address',
    });
  }
  const parts = family === 'ipv4' ? address.split('.').map(Number) : ipv6Parts(address);
  if (family === 'ipv6' && prefix >= 80 && parts.slice(0, 5).every((part) => part === 0)) {
    throw notASource(text, 'an address in ::/80 embeds an IPv4 address, or belongs to no host on a network');
  }
  const masked = maskParts(parts, prefix, widths[family].part);
  const network = family === 'ipv4' ? masked.join('.') : formatIpv6(masked);
  if (masked.join() !== parts.join()) {
    throw misuse('firewall.source', `'${text}' is not a network`, {
      why: `the address has bits set after the first ${prefix}`,
      next: `write ${network}/${prefix}, or ${address} alone`,
    });
  }
  return `${network}/${prefix}` as Source;
}

function notASource(text: string, why: string) {
  return misuse('firewall.source', `'${text}' is not an address or a network`, {
    why,
    next: 'write for example 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32',
  });
}

/** Returns the eight groups of an IPv6 address. */
function ipv6Parts(address: string): number[] {
  const [head = [], tail] = canonicalIpv6(address)
    .split('::')
    .map((half) => (half === '' ? [] : half.split(':').map((group) => Number.parseInt(group, 16))));
  if (tail === undefined) return head;
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

function formatIpv6(groups: readonly number[]): string {
  return canonicalIpv6(groups.map((group) => group.toString(16)).join(':'));
}

/** Returns the canonical form (RFC 5952), as in URLs, which inet_ntop(3) and therefore iptables prints. */
function canonicalIpv6(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}

/** Sets all bits to zero but the first `prefix`. */
function maskParts(parts: readonly number[], prefix: number, width: number): number[] {
  return parts.map((part, index) => {
    const kept = Math.min(Math.max(prefix - index * width, 0), width);
    return part & ~(2 ** (width - kept) - 1);
  });
}
