import { loadSocketModules } from '../../guest/socket-modules.ts';
import { defineClaim, unless } from '../claim.ts';
import { containerNetworks, networkFiles } from '../container-networks.ts';
import { lines, matching, type Probe, textForm } from '../guest-probe.ts';
import { isPhysical, type Link, links, parseLinks } from '../links.ts';
import { otherTableProblems } from '../packet-filter.ts';
import { legacyTables, nftables, savedTables } from '../saved-tables.ts';

/** tc(8): every queueing discipline. */
const disciplines: Probe<readonly { readonly kind: string; readonly device: string }[]> = {
  name: 'disciplines',
  command: 'tc qdisc show',
  form: lines(
    matching(/^qdisc (\S{1,32}) \S+ dev (\S{1,16}) .*$/, ([kind = '', device = '']) => ({ kind, device })),
  ),
};

/** Disciplines that only order packets. Filters and actions are attached to others, such as clsact and ingress. */
const ordering = /^(?:noqueue|fq_codel|fq|pfifo_fast|pfifo|mq|noop)$/;

/** Interfaces that receive the packets of the interface below them before the filter, or in another namespace. */
const tapping = /^(?:macvlan|macvtap|ipvlan|ipvtap|vlan|bond|team|hsr|macsec|netkit|ifb)$/;

/** ip-rule(8): the rules that select a routing table. */
const routing: Probe<readonly string[]> = {
  name: 'routing-rules',
  command: `ip rule; ip -6 rule
  for file in /proc/sys/net/ipv4/conf/*/proxy_arp /proc/sys/net/ipv6/conf/*/proxy_ndp; do
    read -r value <"$file"; [ "$value" = 0 ] || echo "$file is $value"
  done`,
  form: lines(matching(/^((?! )[\t\P{C}]{1,200})$/u, ([line = '']) => line)),
};

const shippedRule =
  /^(?:0:\s+from all lookup local|32766:\s+from all lookup main|32767:\s+from all lookup default)\s*$/;

/**
 * Each network namespace other than that of process 1, found by its processes and by its mounts, with its interfaces. A name,
 * as of ip-netns(8), is a mount (nsfs in proc_pid_mountinfo(5)), and each mount namespace may have mounts of its own.
 */
const namespaces: Probe<readonly { readonly name: string; readonly links: readonly Link[] }[]> = {
  name: 'network-namespaces',
  command: `declare -A seen
  seen[$(stat -L -c %i /proc/1/ns/net)]=1
  while IFS=' ' read -r inode file; do
    [ "\${seen[$inode]}" ] && continue
    printf -v path %b "$file"
    if interfaces=$(nsenter --net="$path" ip -json -details address show); then
      seen[$inode]=1
      printf '%s\\n%s\\n' "--- $file" "$interfaces"
    elif [ -e "$path" ]; then exit 1; fi
  done < <(stat -L -c '%i %n' /proc/[0-9]*/ns/net 2>/dev/null
    grep -Hs ' - nsfs ' /proc/[0-9]*/mountinfo |
      sed -n 's/^\\([^:]*\\)mountinfo:[^ ]* [^ ]* [^ ]* net:\\[\\([0-9]*\\)\\] \\([^ ]*\\) .*/\\2 \\1root\\3/p')`,
  form: textForm((text) => {
    const [before, ...parts] = text.split(/^--- /m);
    if (before !== '') throw new RangeError('it does not begin with a namespace');
    return parts.map((part) => {
      const [name = '', ...rest] = part.split('\n');
      return { name, links: parseLinks(rest.join('\n')) };
    });
  }),
};

/** ss(8): raw and packet sockets, with the control group of their processes. */
const rawSockets: Probe<readonly { readonly kind: string; readonly owner: string }[]> = {
  name: 'raw-sockets',
  command: `${loadSocketModules('af_packet', 'raw')}
  { ss -H0ap; ss -Hwap; } | while read -r line; do
    pid=\${line##*pid=}; pid=\${pid%%,*}; group=unknown
    case $line in *pid=*pid=*) group=several ;; *pid=*) read -r group <"/proc/$pid/cgroup"; group=\${group#0::} ;; esac
    case $line in p_*) kind=packet ;; *) kind=raw ;; esac
    echo "$kind $group"
  done`,
  form: lines(matching(/^(packet|raw) (\S{1,400})$/, ([kind = '', owner = '']) => ({ kind, owner }))),
};

const inForce =
  'No other mechanism of the kernel accepts, translates or forwards incoming packets around the packet filter.';
const restores = 'Root in the guest restores the state for the moment of the audit.';

export const aroundTheFilterClaims = [
  defineClaim({
    id: 'firewall-other-tables',
    sentence:
      'No rule outside the filter table changes where incoming packets go, except to published ports of containers.',
    source: 'Holdfast',
    since: '0.2',
    looksAt: 'Every rule of the tables nat, mangle, raw and security, for both families.',
    fooledBy: restores,
    notStopped: 'A process in the guest that passes on what an allowed port receives.',
    guest: { ...savedTables, networkFiles, links },
    host: [],
    judge: ({ ipv4, ipv6, networkFiles, links }) => {
      const networks = containerNetworks(networkFiles, links);
      const problems = [...otherTableProblems(ipv4, networks), ...otherTableProblems(ipv6, networks)];
      return unless(
        problems,
        'nat has only rules of Podman for containers that exist; mangle, raw and security have none',
      );
    },
  }),
  defineClaim({
    id: 'firewall-only-iptables',
    sentence: 'The tables that iptables shows are the whole packet filter.',
    source: 'Holdfast',
    since: '0.2',
    looksAt:
      'Every table, chain, set, map and flow table of nf_tables in every family, and the tables of the older interface.',
    fooledBy: restores,
    notStopped: 'Packet filters of containers, in their own network namespaces.',
    guest: { nftables, legacyTables, ...savedTables },
    host: [],
    judge: ({ nftables, legacyTables, ipv4, ipv6 }) => {
      // a name with newlines can look like another table, which would then be there twice, or not be shown
      const shown = [
        ...[...ipv4.tables.keys()].map((name) => `ip ${name}`),
        ...[...ipv6.tables.keys()].map((name) => `ip6 ${name}`),
      ];
      const problems = nftables
        .filter(
          ({ kind, name }, index) =>
            kind !== 'chain' &&
            (kind !== 'table' ||
              !shown.includes(name) ||
              nftables.findIndex((each) => each.kind === kind && each.name === name) < index),
        )
        .map(({ kind, name }) => `nf_tables has the ${kind} ${name}`);
      problems.push(...legacyTables.map((line) => `the older interface has a table: ${line}`));
      return unless(
        problems,
        `nf_tables has only ${nftables
          .filter(({ kind }) => kind === 'table')
          .map(({ name }) => name)
          .join(', ')}`,
      );
    },
  }),
  defineClaim({
    id: 'network-interfaces',
    sentence: inForce,
    source: 'Holdfast',
    since: '0.2',
    looksAt:
      'The kind, master, lower interface and XDP program of every interface; every queueing discipline; routing rules, proxy ARP and proxy NDP.',
    fooledBy: restores,
    notStopped:
      'BPF programs that are attached without an interface option, such as tcx, netkit and control groups. Tunnels that the guest opens itself: their packets pass the filter, and the evidence names the interface.',
    guest: { links, disciplines, routing },
    host: [],
    judge: ({ links, disciplines, routing }) => {
      const physical = links.filter(isPhysical);
      const problems = [
        ...links.flatMap((link) => interfaceProblems(link, physical)),
        ...disciplines
          .filter(({ kind }) => !ordering.test(kind))
          .map(({ kind, device }) => `${device} has the queueing discipline ${kind}`),
        ...routing.filter((line) => !shippedRule.test(line)).map((line) => `routing: ${line}`),
      ];
      if (physical.length === 0) problems.push('no interface is a device of the machine');
      const names = links.map(({ ifname, linkinfo }) => `${ifname} (${linkinfo?.info_kind ?? 'device'})`);
      return unless(problems, `nothing is attached to ${names.join(', ')}`);
    },
  }),
  defineClaim({
    id: 'network-namespaces',
    sentence: 'Every other network namespace reaches the network through the packet filter of the machine.',
    source: 'Holdfast',
    since: '0.2',
    looksAt:
      'The interfaces of every network namespace that has a process, or a mount where a process sees it, as those of ip-netns(8).',
    fooledBy: 'Root in the guest keeps a namespace alive by an open file, a socket or a covered mount alone.',
    notStopped: 'Listeners in these namespaces: packets to them pass FORWARD.',
    guest: { namespaces },
    host: [],
    judge: ({ namespaces }) => {
      const problems = namespaces.flatMap(({ name, links }) =>
        links.flatMap((link) => {
          const kind = link.linkinfo?.info_kind;
          if (isPhysical(link)) return [`${name} has the device ${link.ifname}`];
          if (kind !== undefined && tapping.test(kind)) return [`${name} has the ${kind} ${link.ifname}`];
          return [];
        }),
      );
      return unless(
        problems,
        `${namespaces.length} other network namespaces, none with an interface of the machine`,
      );
    },
  }),
  defineClaim({
    id: 'raw-sockets',
    sentence: 'No program receives packets before the packet filter.',
    source: 'Holdfast',
    since: '0.2',
    looksAt:
      'Packet and raw sockets of the network namespace of process 1, and the control groups of their processes.',
    fooledBy:
      'Root in the guest moves a process into the control group of systemd-networkd, or passes the socket to it.',
    notStopped: 'BPF programs, which need no socket.',
    guest: { rawSockets },
    host: [],
    judge: ({ rawSockets }) => {
      const own = '/system.slice/systemd-networkd.service';
      const problems = rawSockets
        .filter(({ owner }) => owner !== own)
        .map(({ kind, owner }) => `a ${kind} socket of ${owner}`);
      return unless(problems, `${rawSockets.length} sockets, all of systemd-networkd`);
    },
  }),
] as const;

function interfaceProblems(
  { ifname, linkinfo, master, link, link_netnsid, xdp }: Link,
  physical: readonly Link[],
): string[] {
  const kind = linkinfo?.info_kind;
  const isDevice = physical.some((each) => each.ifname === ifname);
  const problems: string[] = [];
  if (xdp !== undefined) problems.push(`${ifname} has an XDP program`);
  if (isDevice && master !== undefined) problems.push(`${ifname} belongs to ${master}`);
  if (kind !== undefined && tapping.test(kind))
    problems.push(`${ifname} is a ${kind} of ${link ?? `namespace ${link_netnsid}`}`);
  return problems;
}
