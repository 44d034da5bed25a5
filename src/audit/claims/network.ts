import { isAllowed } from '../../guest/firewall-file.ts';
import { describeRule, type FirewallRule } from '../../guest/firewall-rule.ts';
import type { Family } from '../../guest/firewall-source.ts';
import { type Claim, defineClaim, notApplicable, unless } from '../claim.ts';
import { lines, matching, type Probe } from '../guest-probe.ts';
import {
  allowed,
  allowedDifferences,
  bruteForceRules,
  chainDifferences,
  expectedForward,
  expectedInput,
  filters,
  isForContainers,
} from '../packet-filter.ts';

const filtered =
  'The default implementation only allows incoming traffic on port 22 (SSH service) and blocks the traffic otherwise.';

function inputClaim(family: Family): Claim {
  return defineClaim({
    id: `firewall-input-${family}`,
    sentence: filtered,
    since: '0.1',
    notStopped:
      'Answers to connections of the guest: all egress is allowed. Name queries of containers to Podman. Ports that `firewall allow` names.',
    guest: { rules: filters[family], allowed },
    host: ['configuration'],
    judge: ({ rules, allowed }, { configuration }) => {
      const expected = expectedInput(family, configuration.transport);
      const problems = [
        ...chainDifferences(rules, 'INPUT', expected),
        ...allowedDifferences(rules, allowed, family),
      ];
      return unless(
        problems,
        `policy DROP; ${expected.length} rules, as shipped: ${expected.join(' / ')}; ${allowedText(allowed)}`,
      );
    },
  });
}

function forwardClaim(family: Family): Claim {
  return defineClaim({
    id: `firewall-forward-${family}`,
    sentence: filtered,
    since: '0.1',
    notStopped: 'A container port that Podman publishes and `firewall allow` names is reachable.',
    guest: { rules: filters[family] },
    host: [],
    judge: ({ rules }) =>
      unless(
        chainDifferences(rules, 'FORWARD', expectedForward),
        "policy DROP; published ports only as `firewall list` shows; all other rules are Podman's, for its containers",
      ),
  });
}

function allowedText(allowed: readonly FirewallRule[]): string {
  return `also allowed: ${allowed.map(describeRule).join(', ') || 'nothing'}`;
}

interface Listener {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
}

/** ss(8): state, two queues, local address and port, peer. */
const listeners: Probe<readonly Listener[]> = {
  name: 'listeners',
  command: 'ss -Hltun',
  form: lines(
    matching(
      /^(tcp|udp) +(?:LISTEN|UNCONN) +\d+ +\d+ +(\S+):(\d{1,5}) +\S+ *$/,
      ([protocol = '', address = '', port]) => ({ protocol, address, port: Number(port) }),
    ),
  ),
};

const loopback = /^(?:127\.[0-9.]+|\[::1\]|\[::ffff:127\.[0-9.]+\])(?:%lo)?$/;

/** Ports of a DHCP client (RFC 2131, RFC 8415), which accepts only answers. */
const dhcpPorts = [68, 546];

export const networkClaims = [
  inputClaim('ipv4'),
  inputClaim('ipv6'),
  forwardClaim('ipv4'),
  forwardClaim('ipv6'),
  defineClaim({
    id: 'no-listeners',
    sentence: filtered,
    since: '0.1',
    notStopped:
      'Sockets that are not TCP or UDP; sockets in the network namespaces of containers. The audit reads ports from the guest; tests try them from other hosts before a version ships.',
    guest: { listeners, allowed, ...filters },
    host: ['configuration'],
    judge: ({ listeners, allowed, ipv4, ipv6 }, { configuration }) => {
      const isExpected = ({ protocol, address, port }: Listener) =>
        loopback.test(address) ||
        (protocol === 'udp' && dhcpPorts.includes(port)) ||
        (protocol === 'tcp' && port === 22 && configuration.transport === 'tcp') ||
        isAllowed(allowed, protocol, port) ||
        isForContainers([...ipv4, ...ipv6], { protocol, address, port });
      const problems = listeners
        .filter((each) => !isExpected(each))
        .map(({ protocol, address, port }) => `${protocol} ${address}:${port} listens`);
      const seen = listeners.map(({ protocol, address, port }) => `${protocol} ${address}:${port}`);
      return unless(
        problems,
        `listening: ${seen.join(', ') || 'nothing'}; none that other hosts can reach; ${allowedText(allowed)}`,
      );
    },
  }),
  defineClaim({
    id: 'ssh-brute-force',
    sentence:
      'Furthermore, to prevent SSH brute force attacks, the virtual machine will block an IP address if it attempts more than three connections per minute to SSH service.',
    since: '0.1',
    notStopped: 'Attempts from many addresses at once; none can succeed without the key.',
    guest: { ipv4: filters.ipv4, ipv6: filters.ipv6 },
    host: ['configuration'],
    judge: (guest, { configuration }) => {
      if (configuration.transport === 'vsock')
        return notApplicable('SSH is not on the network, so no address can connect to it');
      const problems = (['ipv4', 'ipv6'] as const).flatMap((family) =>
        bruteForceRules(family)
          .filter((rule) => !guest[family].includes(rule))
          .map((rule) => `${family} has no ${rule}`),
      );
      return unless(problems, 'IPv4 and IPv6 drop the fourth new connection of an address within 60 s');
    },
  }),
] as const;
