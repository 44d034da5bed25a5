import { BlockList, isIP } from 'node:net';
import * as z from 'zod';
import { bounds } from '../channel/bounds.ts';
import { systemRoot } from '../guest/system-root.ts';
import { type Probe, textForm } from './guest-probe.ts';
import { addressesOf, type Link } from './links.ts';

/** A network of Podman, as its file describes it (podman-network-inspect(1)). */
const networkFile = z.object({
  name: z.string().max(256),
  driver: z.string().max(64),
  network_interface: z.string().max(16).default(''),
  subnets: z
    .array(z.object({ subnet: z.string().max(64), gateway: z.string().max(64).optional() }))
    .max(64)
    .default([]),
});
type NetworkFile = z.infer<typeof networkFile>;

/** containers.conf(5): the network without a file. */
const defaultNetwork: NetworkFile = {
  name: 'podman',
  driver: 'bridge',
  network_interface: 'podman0',
  subnets: [{ subnet: '10.88.0.0/16', gateway: '10.88.0.1' }],
};

/** The files of Podman's networks. The guest's users may change them: their content is a claim to compare with the interfaces. */
export const networkFiles: Probe<readonly NetworkFile[]> = {
  name: 'container-networks',
  command: `for file in ${systemRoot}/etc/containers/networks/*.json; do
    [ ! -f "$file" ] || { echo '--- network'; head -c ${bounds.auditAnswer.bytes} "$file"; echo; }
  done`,
  form: textForm((text) => {
    const files = text.split(/^--- network\n/m).slice(1);
    if (!/^(?:--- network\n|$)/.test(text)) throw new RangeError('it does not begin with a network');
    const networks = z.array(networkFile).parse(files.map((file) => JSON.parse(file) as unknown));
    return networks.some(({ name }) => name === defaultNetwork.name)
      ? networks
      : [defaultNetwork, ...networks];
  }),
};

/** A network of containers that exists: a bridge of the machine with the address of the file. */
export interface ContainerNetwork {
  readonly interface: string;
  /** In the form that iptables prints. */
  readonly subnets: readonly string[];
  /** The machine's own addresses in it. */
  readonly addresses: readonly string[];
}

/** Shortest prefixes: a network of containers is never a large part of the address space. */
const shortestPrefix = { ipv4: 8, ipv6: 32 } as const;

/**
 * Returns Podman's networks that are there: the file names a bridge of this machine, which has an address in the subnet with its
 * prefix length, and no other interface has an address in it. Any other subnet is nobody's.
 */
export function containerNetworks(files: readonly NetworkFile[], links: readonly Link[]): ContainerNetwork[] {
  return files.flatMap(({ driver, network_interface: name, subnets }) => {
    const bridge = links.find((link) => link.ifname === name);
    if (driver !== 'bridge' || bridge?.linkinfo?.info_kind !== 'bridge') return [];
    const others = links.filter((link) => link !== bridge).flatMap(addressesOf);
    const known = subnets.flatMap(({ subnet }) => {
      const network = parseSubnet(subnet);
      if (!network || others.some((other) => network.has(other.local))) return [];
      const own = addressesOf(bridge).filter(
        ({ local, prefixlen }) => prefixlen === network.prefix && network.has(local),
      );
      return own.length === 0 ? [] : [{ subnet, own: own.map(({ local }) => local) }];
    });
    if (known.length === 0) return [];
    return [
      {
        interface: name,
        subnets: known.map(({ subnet }) => subnet),
        addresses: known.flatMap(({ own }) => own),
      },
    ];
  });
}

/** Returns whether an address is in a network of containers. */
export function isContainers(networks: readonly ContainerNetwork[], address: string): boolean {
  return networks.some(({ subnets }) => subnets.some((subnet) => parseSubnet(subnet)?.has(address) ?? false));
}

function parseSubnet(text: string) {
  const [network = '', prefixText = ''] = text.split('/');
  const family = isIP(network) === 4 ? 'ipv4' : 'ipv6';
  const prefix = Number(prefixText);
  if (isIP(network) === 0 || !/^\d{1,3}$/.test(prefixText)) return undefined;
  if (prefix < shortestPrefix[family] || prefix > (family === 'ipv4' ? 32 : 128)) return undefined;
  const list = new BlockList();
  list.addSubnet(network, prefix, family);
  return {
    prefix,
    has: (address: string) => isIP(address) === isIP(network) && list.check(address, family),
  };
}
