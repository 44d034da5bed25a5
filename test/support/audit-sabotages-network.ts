import { links } from './audit-evidence-parts.ts';
import { added, allowedFile, changed, overTcp, type Sabotage, tcp, withRules } from './audit-sabotage.ts';

/** The bridge of Podman's default network. */
const bridge = {
  ...{ ifname: 'podman0', link_type: 'ether', linkinfo: { info_kind: 'bridge' } },
  addr_info: [{ local: '10.88.0.1', prefixlen: 16 }],
};

/** Chains and tables that are reached, whatever they are called. */
const filterSabotages: readonly Sabotage[] = [
  {
    what: 'a chain with a name like those of Podman',
    by: 'attacker',
    guest: withRules('ipv4', [
      '-A INPUT -j NETAVARK_X',
      '-A FORWARD -j NETAVARK_X',
      '-A NETAVARK_X -j ACCEPT',
    ]),
    fails: ['firewall-input-ipv4', 'firewall-forward-ipv4'],
  },
  {
    what: "a hole in Podman's chain",
    by: 'attacker',
    guest: withRules('ipv4', [
      '-A FORWARD -m comment --comment "netavark firewall rules" -j NETAVARK_FORWARD',
      '-A NETAVARK_FORWARD -j ACCEPT',
    ]),
    fails: ['firewall-forward-ipv4'],
  },
  {
    what: 'half of all addresses as a network of containers',
    by: 'attacker',
    guest: {
      'container-networks': `--- network\n${JSON.stringify({
        ...{ name: 'all', driver: 'bridge', network_interface: 'all0' },
        subnets: [{ subnet: '0.0.0.0/1', gateway: '10.88.0.1' }],
      })}`,
      links: links({
        ...{ ifname: 'all0', link_type: 'ether', linkinfo: { info_kind: 'bridge' } },
        addr_info: [{ local: '10.88.0.1', prefixlen: 1 }],
      }),
      ...withRules('ipv4', [
        '-A INPUT -m comment --comment "netavark firewall rules" -j NETAVARK_INPUT',
        '-A NETAVARK_INPUT -s 0.0.0.0/1 -p tcp -m tcp --dport 53 -j ACCEPT',
      ]),
    },
    fails: ['firewall-input-ipv4'],
  },
  {
    what: "a port in Podman's chain that is not its name service",
    by: 'attacker',
    guest: {
      links: links(bridge),
      ...withRules('ipv4', [
        '-A INPUT -m comment --comment "netavark firewall rules" -j NETAVARK_INPUT',
        '-A NETAVARK_INPUT -s 10.88.0.0/16 -p tcp -m tcp --dport 8080 -j ACCEPT',
      ]),
    },
    fails: ['firewall-input-ipv4'],
  },
  {
    what: 'rules for containers that are gone',
    by: 'mistake',
    guest: withRules('ipv6', [
      '-A FORWARD -m comment --comment "netavark firewall rules" -j NETAVARK_FORWARD',
      '-A NETAVARK_FORWARD -s fd9a:1::/64 -j ACCEPT',
    ]),
    fails: ['firewall-forward-ipv6'],
  },
  {
    what: 'a redirection of a port to another',
    by: 'attacker',
    guest: withRules('ipv4', ['-A PREROUTING -p tcp -m tcp --dport 8080 -j REDIRECT --to-ports 9999'], 'nat'),
    fails: ['firewall-other-tables'],
  },
  {
    what: 'a published port that leads to the machine itself',
    by: 'attacker',
    guest: {
      links: links(bridge),
      ...withRules(
        'ipv4',
        ['-A NETAVARK-DN-1D8721804F16F -p tcp -m tcp --dport 80 -j DNAT --to-destination 127.0.0.1:80'],
        'nat',
      ),
    },
    fails: ['firewall-other-tables'],
  },
  {
    what: 'rules for traffic shaping that were forgotten',
    by: 'mistake',
    guest: withRules('ipv6', ['-A PREROUTING -j MARK --set-xmark 0x1/0xffffffff'], 'mangle'),
    fails: ['firewall-other-tables'],
  },
  {
    what: 'a table of nft',
    by: 'mistake',
    guest: added('nftables', 'table inet mine {\n\tchain input {'),
    fails: ['firewall-only-iptables'],
  },
  {
    what: 'a table whose name looks like a table of iptables and its chain',
    by: 'attacker',
    guest: added('nftables', 'table ip security {\n\tchain x {\n\tchain prerouting {'),
    fails: ['firewall-only-iptables'],
  },
  {
    what: 'a table whose name looks like one that is there',
    by: 'attacker',
    guest: added('nftables', 'table ip filter {\n\tchain x {\n\tchain prerouting {'),
    fails: ['firewall-only-iptables'],
  },
  {
    what: 'a hook at the network card',
    by: 'attacker',
    guest: added('nftables', 'table netdev x {\n\tchain y {'),
    fails: ['firewall-only-iptables'],
  },
  {
    what: 'a flow table, which forwards past the filter',
    by: 'attacker',
    guest: added('nftables', '\tflowtable f {'),
    fails: ['firewall-only-iptables'],
  },
  {
    what: 'rules of the older kernel interface',
    by: 'attacker',
    guest: { 'legacy-tables': 'ip_tables_names nat' },
    fails: ['firewall-only-iptables'],
  },
  {
    what: 'rules that iptables cannot show',
    by: 'attacker',
    guest: added('filter-ipv4', "# Table `filter' is incompatible, use 'nft' tool."),
    fails: ['firewall-input-ipv4', 'firewall-forward-ipv4'],
  },
];

/** What goes around the filter. */
const detours: readonly Sabotage[] = [
  {
    what: 'the network card in a bridge',
    by: 'mistake',
    guest: changed('links', '"ifname":"enp0s4"', '"ifname":"enp0s4","master":"br0"'),
    fails: ['network-interfaces'],
  },
  {
    what: 'a second address of the network card in a namespace',
    by: 'attacker',
    guest: {
      'network-namespaces': `--- /proc/77/ns/net\n${JSON.stringify([
        { ifname: 'eth0', link_type: 'ether', link_netnsid: 0, linkinfo: { info_kind: 'macvlan' } },
      ])}`,
    },
    fails: ['network-namespaces'],
  },
  {
    what: 'a program at the network card',
    by: 'attacker',
    guest: changed('links', '"ifname":"enp0s4"', '"ifname":"enp0s4","xdp":{"mode":2,"prog":{"id":9}}'),
    fails: ['network-interfaces'],
  },
  {
    what: 'filters of tc',
    by: 'attacker',
    guest: added('disciplines', 'qdisc clsact ffff: dev enp0s4 parent ffff:fff1 '),
    fails: ['network-interfaces'],
  },
  {
    what: 'routes by mark',
    by: 'mistake',
    guest: added('routing-rules', '100:\tfrom all fwmark 0x1 lookup 100'),
    fails: ['network-interfaces'],
  },
  {
    what: 'the network card in another namespace',
    by: 'mistake',
    guest: {
      'network-namespaces': `--- /run/netns/other\n${JSON.stringify([{ ifname: 'enp0s5', link_type: 'ether' }])}`,
    },
    fails: ['network-namespaces'],
  },
  {
    what: 'a program with its own TCP',
    by: 'attacker',
    guest: added('raw-sockets', 'packet /system.slice/own.service'),
    fails: ['raw-sockets'],
  },
  {
    what: 'a capture of packets that was forgotten',
    by: 'mistake',
    guest: added('raw-sockets', 'packet /user.slice/user-1000.slice/session-1.scope'),
    fails: ['raw-sockets'],
  },
  {
    what: "a listener on all addresses, on the port of Podman's name service",
    by: 'attacker',
    guest: {
      links: links(bridge),
      ...added('listeners', 'tcp   LISTEN 0      1      0.0.0.0:53 0.0.0.0:*   '),
    },
    fails: ['no-listeners'],
  },
];

/** Packet filter and listeners. */
export const networkSabotages: readonly Sabotage[] = [
  ...(['ipv4', 'ipv6'] as const).flatMap((family): Sabotage[] => [
    {
      what: `${family} lets in`,
      by: 'mistake',
      guest: changed(`filter-${family}`, ':INPUT DROP', ':INPUT ACCEPT'),
      fails: [`firewall-input-${family}`],
    },
    {
      what: `${family} forwards`,
      by: 'mistake',
      guest: changed(`filter-${family}`, ':FORWARD DROP', ':FORWARD ACCEPT'),
      fails: [`firewall-forward-${family}`],
    },
    {
      what: `${family} with a hole`,
      by: 'attacker',
      guest: withRules(family, ['-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT']),
      fails: [`firewall-input-${family}`],
    },
    {
      what: `${family} with a way through`,
      by: 'attacker',
      guest: withRules(family, ['-A FORWARD -i eth0 -j ACCEPT']),
      fails: [`firewall-forward-${family}`],
    },
    {
      what: `${family} that takes no answers`,
      by: 'mistake',
      guest: changed(
        `filter-${family}`,
        '\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
        '',
      ),
      fails: [`firewall-input-${family}`],
    },
  ]),
  {
    what: 'a port without a rule',
    by: 'attacker',
    guest: withRules('ipv6', ['-A HOLDFAST -p tcp -m conntrack --ctstate NEW --ctorigdstport 80 -j ACCEPT']),
    fails: ['firewall-input-ipv6'],
  },
  {
    what: 'a port that was allowed and is not open',
    by: 'mistake',
    guest: { 'firewall-allowed': allowedFile },
    fails: ['firewall-input-ipv4', 'firewall-input-ipv6'],
  },
  {
    what: 'a damaged file of what is allowed',
    by: 'mistake',
    guest: { 'firewall-allowed': allowedFile.replace('ACCEPT', 'ACCEP') },
    fails: ['firewall-input-ipv4', 'firewall-input-ipv6', 'no-listeners'],
  },
  {
    what: 'published ports without control',
    by: 'mistake',
    guest: changed(
      'filter-ipv4',
      '-A FORWARD -m conntrack --ctstate DNAT -j HOLDFAST',
      '-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT',
    ),
    fails: ['firewall-forward-ipv4'],
  },
  ...filterSabotages,
  ...detours,
  {
    what: 'a TCP listener',
    by: 'mistake',
    guest: added('listeners', 'tcp   LISTEN 0      1      0.0.0.0:4444 0.0.0.0:*   '),
    fails: ['no-listeners'],
  },
  {
    what: 'a UDP listener',
    by: 'attacker',
    guest: added('listeners', 'udp   UNCONN 0      0      [::]:53 [::]:*   '),
    fails: ['no-listeners'],
  },
  {
    what: 'SSH over TCP unasked',
    by: 'attacker',
    guest: added('listeners', 'tcp   LISTEN 0      1      *:22 *:*   '),
    fails: ['no-listeners'],
  },
  {
    what: 'SSH over TCP with a rule that accepts more attempts',
    by: 'attacker',
    host: tcp,
    guest: { ...overTcp, ...withRules('ipv4', ['-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT']) },
    fails: ['firewall-input-ipv4', 'firewall-input-ipv6', 'ssh-brute-force'],
  },
  {
    what: 'tcp without its rules',
    by: 'mistake',
    host: tcp,
    guest: overTcp,
    fails: ['firewall-input-ipv4', 'firewall-input-ipv6', 'ssh-brute-force'],
  },
];
