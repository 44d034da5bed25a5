import { type ContainerNetwork, isContainers } from './container-networks.ts';

/*
 * The rules of netavark, Podman's network back end, for its iptables driver. `NETWORK` is a subnet of containers that exists,
 * `CONTAINER` an address in one, `CHAIN` a chain that netavark made for a network. All other parts are netavark's own.
 */

const port = String.raw`\d+(?::\d+)?`;
const protocol = String.raw`-p (?<protocol>tcp|udp) -m \k<protocol> --dport ${port}`;
const comment = String.raw`-m comment --comment "[^"\\]*"`;
const place = String.raw`(?: -[sd] [0-9a-f.:]+\/\d+){0,2}`;

const filterRules = [
  '-A INPUT -m comment --comment "netavark firewall rules" -j NETAVARK_INPUT',
  '-A FORWARD -m comment --comment "netavark firewall rules" -j NETAVARK_FORWARD',
  String.raw`-A FORWARD -j NETAVARK_ISOLATION_\d`,
  // names for containers
  '-A NETAVARK_INPUT -s NETWORK -p (?<protocol>tcp|udp) -m \\k<protocol> --dport 53 -j ACCEPT',
  // their egress, and answers to it
  '-A NETAVARK_FORWARD -d NETWORK -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
  '-A NETAVARK_FORWARD -s NETWORK -j ACCEPT',
  String.raw`-A NETAVARK_\S+ (?:[^"]* )?-j (?:DROP|NETAVARK_ISOLATION_\d)`,
];

const translationRules = [
  '-A (?:PREROUTING|OUTPUT) -m addrtype --dst-type LOCAL -j NETAVARK-HOSTPORT-DNAT',
  '-A POSTROUTING -j NETAVARK-HOSTPORT-MASQ',
  '-A POSTROUTING -s NETWORK -j CHAIN',
  '-A CHAIN -d NETWORK -j ACCEPT',
  String.raw`-A CHAIN ! -d (?:224\.0\.0\.0\/4|ff00::\/8) -j (?:MASQUERADE|SNAT --to-source \S+)`,
  String.raw`-A NETAVARK-HOSTPORT-SETMARK -j MARK --set-xmark 0x2000\/0x2000`,
  String.raw`-A NETAVARK-HOSTPORT-MASQ ${comment} -m mark --mark 0x2000\/0x2000 -j MASQUERADE`,
  `-A NETAVARK-HOSTPORT-DNAT${place} ${protocol}(?: ${comment})? -j CHAIN`,
  `-A CHAIN${place} ${protocol} -j NETAVARK-HOSTPORT-SETMARK`,
  String.raw`-A CHAIN${place} ${protocol} -j DNAT --to-destination CONTAINER(?::\d+(?:-\d+)?)?`,
];

function compile(form: string): RegExp {
  const source = form
    .replaceAll('NETWORK', String.raw`(?<network>[0-9a-f.:]+\/\d+)`)
    .replaceAll('CONTAINER', String.raw`(?:(?<ipv4>[0-9.]+)|\[(?<ipv6>[0-9a-f:]+)\])`)
    .replaceAll('CHAIN', 'NETAVARK-(?:DN-)?[0-9A-F]{4,20}');
  return new RegExp(`^${source}$`);
}

/** By table. Podman has no rules in the others. */
const forms: Readonly<Record<string, readonly RegExp[]>> = {
  filter: filterRules.map(compile),
  nat: translationRules.map(compile),
};

/** Returns whether a rule is one that Podman makes for networks of containers that exist. */
export function isPodmans(table: string, rule: string, networks: readonly ContainerNetwork[]): boolean {
  return (forms[table] ?? []).some((form) => {
    const found = form.exec(rule);
    if (!found) return false;
    const { network, ipv4, ipv6 } = found.groups ?? {};
    const address = ipv4 ?? ipv6;
    if (address !== undefined && !isContainers(networks, address)) return false;
    return network === undefined || networks.some(({ subnets }) => subnets.includes(network));
  });
}
