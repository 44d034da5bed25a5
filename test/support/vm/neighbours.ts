import type { MachineName } from '../../../src/machine/paths.ts';
import { asRoot } from './guest.ts';

/**
 * Another host from the view of the machine's packet filter: a network namespace in the guest with a link to the machine and
 * its own addresses. All connections from the real host have one address, that of QEMU's user-mode network.
 */
export interface Neighbour {
  readonly name: string;
  /** Its own address, and the address of the machine. */
  readonly ipv4: { readonly own: string; readonly machine: string };
  readonly ipv6: { readonly own: string; readonly machine: string };
}

export function neighbour(number: number): Neighbour {
  return {
    name: `neighbour${number}`,
    ipv4: { own: `10.99.${number}.2`, machine: `10.99.${number}.1` },
    ipv6: { own: `fd99:${number}::2`, machine: `fd99:${number}::1` },
  };
}

/** Creates neighbours, which exist until they are removed or the guest ends. */
export async function addNeighbours(machine: MachineName, neighbours: readonly Neighbour[]): Promise<void> {
  const lines = neighbours.flatMap(({ name, ipv4, ipv6 }) => [
    `ip netns add ${name}`,
    `ip link add ${name} type veth peer name machine netns ${name}`,
    `ip address add ${ipv4.machine}/24 dev ${name}`,
    `ip address add ${ipv6.machine}/64 dev ${name} nodad`,
    `ip link set ${name} up`,
    `ip -n ${name} address add ${ipv4.own}/24 dev machine`,
    `ip -n ${name} address add ${ipv6.own}/64 dev machine nodad`,
    `ip -n ${name} link set machine up`,
  ]);
  await asRoot(machine, lines.join('\n'));
}

export async function removeNeighbours(
  machine: MachineName,
  neighbours: readonly Neighbour[],
): Promise<void> {
  await asRoot(machine, neighbours.map(({ name }) => `ip netns delete ${name} || true`).join('\n'));
}

/**
 * Returns shell lines that connect from a neighbour to the machine and print the first line of the server: `silence` if
 * nothing arrives within seconds, `refused` if the machine rejects the connection.
 */
export function connectFrom({ name, ...families }: Neighbour, family: 'ipv4' | 'ipv6', port: number): string {
  const connection = `/dev/tcp/${families[family].machine}/${port}`;
  const talk = `exec 3<>${connection} && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | tr -d '\\r'`;
  return `ip netns exec ${name} timeout 4 bash -c "${talk}" 2>/dev/null || { [ $? = 124 ] && echo silence || echo refused; }`;
}
