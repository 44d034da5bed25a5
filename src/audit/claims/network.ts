import { channels } from '../../channel/channels.ts';
import { isAllowed } from '../../guest/firewall-file.ts';
import { describeRule, type FirewallRule } from '../../guest/firewall-rule.ts';
import type { Family } from '../../guest/firewall-source.ts';
import { loadSocketModules } from '../../guest/socket-modules.ts';
import { type Claim, defineClaim, notApplicable, unless } from '../claim.ts';
import { type ContainerNetwork, containerNetworks, networkFiles } from '../container-networks.ts';
import { lines, matching, type Probe } from '../guest-probe.ts';
import { links } from '../links.ts';
import {
  allowed,
  allowedDifferences,
  bruteForceRules,
  chainDifferences,
  expectedForward,
  expectedInput,
  filterRules,
} from '../packet-filter.ts';
import { savedTables } from '../saved-tables.ts';

const filtered =
  'The default implementation only allows incoming traffic on port 22 (SSH service) and blocks the traffic otherwise.';

const looksAtFilter =
  "Every rule that a packet can reach from the chain, in chains of any name; the allowed ports; the files and bridges of Podman's networks.";
const fooledAtFilter = 'Root in the guest restores the rules for the moment of the audit.';

function inputClaim(family: Family): Claim {
  return defineClaim({
    id: `firewall-input-${family}`,
    sentence: filtered,
    since: '0.1',
    looksAt: looksAtFilter,
    fooledBy: fooledAtFilter,
    notStopped:
      'Answers to connections of the guest: all egress is allowed. Name queries of containers to Podman. Ports that `firewall allow` names.',
    guest: { saved: savedTables[family], allowed, networkFiles, links },
    host: ['configuration'],
    judge: ({ saved, allowed, networkFiles, links }, { configuration }) => {
      const expected = expectedInput(family, configuration.transport);
      const problems = [
        ...chainDifferences(saved, 'INPUT', expected, containerNetworks(networkFiles, links)),
        ...allowedDifferences(saved, allowed, family),
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
    looksAt: looksAtFilter,
    fooledBy: fooledAtFilter,
    notStopped: 'A container port that Podman publishes and `firewall allow` names is reachable.',
    guest: { saved: savedTables[family], networkFiles, links },
    host: [],
    judge: ({ saved, networkFiles, links }) => {
      const networks = containerNetworks(networkFiles, links);
      return unless(
        chainDifferences(saved, 'FORWARD', expectedForward, networks),
        `policy DROP; published ports only as \`firewall list\` shows; all other rules are Podman's, for ${networksText(networks)}`,
      );
    },
  });
}

function networksText(networks: readonly ContainerNetwork[]): string {
  const subnets = networks.flatMap((each) => each.subnets);
  return subnets.length === 0 ? 'no network of containers' : `its containers in ${subnets.join(', ')}`;
}

function allowedText(allowed: readonly FirewallRule[]): string {
  return `also allowed: ${allowed.map(describeRule).join(', ') || 'nothing'}`;
}

function isChannelPort(port: number): boolean {
  return Object.values(channels).some((channel) => channel.port === port);
}

interface Listener {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
}

/** ss(8): state, two queues, local address and port, peer. */
const listeners: Probe<readonly Listener[]> = {
  name: 'listeners',
  command: `${loadSocketModules('tcp', 'udp')}; ss -Hltun`,
  form: lines(
    matching(
      /^(tcp|udp) +(?:LISTEN|UNCONN) +\d+ +\d+ +(\S+):(\d{1,5}) +\S+ *$/,
      ([protocol = '', address = '', port]) => ({ protocol, address, port: Number(port) }),
    ),
  ),
};

/** Returns whether only containers can reach this listener: Podman's name service, on the machine's address in their network. */
function isForContainers(
  networks: readonly ContainerNetwork[],
  { address, port }: Pick<Listener, 'address' | 'port'>,
): boolean {
  const own = address.replace(/^\[(.*)\]$/, '$1');
  return port === 53 && networks.some(({ addresses }) => addresses.includes(own));
}

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
    looksAt:
      'TCP and UDP sockets of the network namespace of process 1, the allowed ports, and the addresses of container bridges.',
    fooledBy:
      'Root in the guest closes the socket for the moment of the audit, or listens in another network namespace.',
    notStopped:
      'Sockets that are not TCP or UDP: see `raw-sockets`; sockets in other network namespaces: see `network-namespaces`. The audit reads ports from the guest; tests try them from other hosts before a version ships.',
    guest: { listeners, allowed, networkFiles, links },
    host: ['configuration'],
    judge: ({ listeners, allowed, networkFiles, links }, { configuration }) => {
      const networks = containerNetworks(networkFiles, links);
      const isExpected = ({ protocol, address, port }: Listener) =>
        loopback.test(address) ||
        (protocol === 'udp' && dhcpPorts.includes(port)) ||
        (protocol === 'tcp' && configuration.transport === 'tcp' && isChannelPort(port)) ||
        isAllowed(allowed, protocol, port) ||
        isForContainers(networks, { address, port });
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
    looksAt: 'The rules for port 22 of both packet filters.',
    fooledBy: 'Root in the guest restores the rules for the moment of the audit.',
    notStopped: 'Attempts from many addresses at once; none can succeed without the key.',
    guest: savedTables,
    host: ['configuration'],
    judge: (guest, { configuration }) => {
      if (configuration.transport === 'vsock')
        return notApplicable('SSH is not on the network, so no address can connect to it');
      const problems = (['ipv4', 'ipv6'] as const).flatMap((family) =>
        bruteForceRules(family)
          .filter((rule) => !filterRules(guest[family], 'INPUT').includes(rule))
          .map((rule) => `${family} has no ${rule}`),
      );
      return unless(problems, 'IPv4 and IPv6 drop the fourth new connection of an address within 60 s');
    },
  }),
] as const;
