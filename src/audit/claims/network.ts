import type { Transport } from '../../hypervisor/hypervisor.ts';
import { type Claim, defineClaim, notApplicable, unless } from '../claim.ts';
import { lines, matching, type Probe } from '../guest-probe.ts';

const filtered =
  'The default implementation only allows incoming traffic on port 22 (SSH service) and blocks the traffic otherwise.';

type Family = 'ipv4' | 'ipv6';

/** Every line of `iptables -S`: policies, chains, rules. */
function filterProbe(family: Family): Probe<readonly string[]> {
  return {
    name: `filter-${family}`,
    command: `${family === 'ipv4' ? 'iptables' : 'ip6tables'} -S`,
    form: lines(matching(/^(-[PNA] \S.{0,1000})$/, ([line = '']) => line)),
  };
}

const filters = { ipv4: filterProbe('ipv4'), ipv6: filterProbe('ipv6') };

/** `firewall/ssh.rules` of the image: the fourth new connection of an address within a minute is dropped. */
const bruteForceRules = [
  '-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --update --seconds 60 --hitcount 3 --name ssh --mask MASK --rsource -j DROP',
  '-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --set --name ssh --mask MASK --rsource -j ACCEPT',
];

/** RFC 4861: without router and neighbour messages there is no IPv6 at all. */
const neighbours = [134, 135, 136].map(
  (type) => `-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type ${type} -j ACCEPT`,
);

const mask: Readonly<Record<Family, string>> = {
  ipv4: '255.255.255.255',
  ipv6: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
};

/** The rules of INPUT, in their order: all that may come in. */
export function expectedInput(family: Family, transport: Transport): string[] {
  return [
    '-A INPUT -i lo -j ACCEPT',
    '-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    ...(family === 'ipv6' ? neighbours : []),
    ...(transport === 'tcp' ? bruteForceRules.map((rule) => rule.replace('MASK', mask[family])) : []),
  ];
}

/** Podman's network back end adds these and fills the chains: the names of its containers, and published ports. */
const podmanJump = /^-A (?:INPUT|FORWARD) (?:.* )?-j NETAVARK_[A-Z0-9_]+$/;

function inputClaim(family: Family): Claim {
  return defineClaim({
    id: `firewall-input-${family}`,
    sentence: filtered,
    since: '0.1',
    notStopped:
      'What the guest asks for may answer: all egress is allowed. Podman lets its containers ask it for names.',
    guest: { rules: filters[family] },
    host: ['configuration'],
    judge: ({ rules }, { configuration }) => {
      const expected = expectedInput(family, configuration.transport);
      const found = rules.filter((rule) => rule.startsWith('-A INPUT ') && !podmanJump.test(rule));
      const problems = policyProblems(rules, 'INPUT');
      const more = found.filter((rule) => !expected.includes(rule));
      const less = expected.filter((rule) => !found.includes(rule));
      problems.push(...more.map((rule) => `there is ${rule}`), ...less.map((rule) => `there is no ${rule}`));
      if (problems.length === 0 && found.join('\n') !== expected.join('\n'))
        problems.push('the rules of INPUT are in another order');
      return unless(problems, `policy DROP; ${expected.length} rules, as shipped: ${expected.join(' / ')}`);
    },
  });
}

function forwardClaim(family: Family): Claim {
  return defineClaim({
    id: `firewall-forward-${family}`,
    sentence: filtered,
    since: '0.1',
    notStopped: 'A container port that is published with Podman is reachable: that is what publishing is.',
    guest: { rules: filters[family] },
    host: [],
    judge: ({ rules }) => {
      const problems = policyProblems(rules, 'FORWARD');
      const found = rules.filter((rule) => rule.startsWith('-A FORWARD '));
      const more = found.filter((rule) => !podmanJump.test(rule));
      problems.push(...more.map((rule) => `there is ${rule}`));
      return unless(problems, `policy DROP; ${found.length} rules, all of them Podman's`);
    },
  });
}

function policyProblems(rules: readonly string[], chain: string): string[] {
  const policy = rules.find((rule) => rule.startsWith(`-P ${chain} `));
  if (policy === `-P ${chain} DROP`) return [];
  return [policy === undefined ? `${chain} has no policy` : `the policy is ${policy}`];
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

/** The ports of a DHCP client (RFC 2131, RFC 8415): only answers come in. */
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
      'Sockets that are not TCP or UDP; sockets in the network namespaces of containers. Not tested from another host here.',
    guest: { listeners },
    host: ['configuration'],
    judge: ({ listeners }, { configuration }) => {
      const isExpected = ({ protocol, address, port }: Listener) =>
        loopback.test(address) ||
        (protocol === 'udp' && dhcpPorts.includes(port)) ||
        (protocol === 'tcp' && port === 22 && configuration.transport === 'tcp');
      const problems = listeners
        .filter((each) => !isExpected(each))
        .map(({ protocol, address, port }) => `${protocol} ${address}:${port} listens`);
      const seen = listeners.map(({ protocol, address, port }) => `${protocol} ${address}:${port}`);
      return unless(problems, `listening: ${seen.join(', ') || 'nothing'}; none that others may reach`);
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
        return notApplicable('SSH is not on the network: there is no address that could attempt anything');
      const problems = (['ipv4', 'ipv6'] as const).flatMap((family) =>
        bruteForceRules
          .map((rule) => rule.replace('MASK', mask[family]))
          .filter((rule) => !guest[family].includes(rule))
          .map((rule) => `${family} has no ${rule}`),
      );
      return unless(problems, 'IPv4 and IPv6 drop the fourth new connection of an address within 60 s');
    },
  }),
] as const;
