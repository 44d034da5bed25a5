import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeAll } from '../../../src/audit/audit.ts';
import { claims } from '../../../src/audit/claims.ts';
import { containerNetworks } from '../../../src/audit/container-networks.ts';
import { parseLinks } from '../../../src/audit/links.ts';
import { answersWith, factsWith } from '../../support/audit-evidence.ts';
import { links } from '../../support/audit-evidence-parts.ts';
import { added, withRules } from '../../support/audit-sabotage.ts';

function failingClaims(guest: Readonly<Record<string, string>>): string[] {
  return judgeAll(claims, answersWith(guest), factsWith())
    .filter(({ verdict }) => verdict === 'fail')
    .map(({ id }) => id);
}

/** What Podman made on a real machine: a network of both families, the default network, and two published ports. */
const podmans = {
  'container-networks': `--- network\n${JSON.stringify({
    ...{ name: 'outside', driver: 'bridge', network_interface: 'podman1', dns_enabled: true },
    subnets: [
      { subnet: '10.89.0.0/24', gateway: '10.89.0.1' },
      { subnet: 'fd9a:1::/64', gateway: 'fd9a:1::1' },
    ],
  })}`,
  links: links(
    {
      ...{ ifname: 'podman1', link_type: 'ether', linkinfo: { info_kind: 'bridge' } },
      addr_info: [
        { local: '10.89.0.1', prefixlen: 24 },
        { local: 'fd9a:1::1', prefixlen: 64 },
      ],
    },
    {
      ifname: 'veth0',
      link_type: 'ether',
      master: 'podman1',
      link_netnsid: 0,
      linkinfo: { info_kind: 'veth' },
    },
    {
      ...{ ifname: 'podman0', link_type: 'ether', linkinfo: { info_kind: 'bridge' } },
      addr_info: [{ local: '10.88.0.1', prefixlen: 16 }],
    },
  ),
};

test("Podman's own rules are expected for networks that exist, and for no others", () => {
  const filter = [
    '-A INPUT -m comment --comment "netavark firewall rules" -j NETAVARK_INPUT',
    '-A FORWARD -m comment --comment "netavark firewall rules" -j NETAVARK_FORWARD',
    '-A NETAVARK_FORWARD -m conntrack --ctstate INVALID -j DROP',
    '-A NETAVARK_FORWARD -d 10.88.0.0/16 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-A NETAVARK_FORWARD -s 10.89.0.0/24 -j ACCEPT',
    '-A NETAVARK_INPUT -s 10.88.0.0/16 -p udp -m udp --dport 53 -j ACCEPT',
    '-A NETAVARK_ISOLATION_3 -o podman0 -j DROP',
    '-A NETAVARK_ISOLATION_3 -j NETAVARK_ISOLATION_2',
  ];
  const nat = [
    '-A PREROUTING -m addrtype --dst-type LOCAL -j NETAVARK-HOSTPORT-DNAT',
    '-A POSTROUTING -j NETAVARK-HOSTPORT-MASQ',
    '-A POSTROUTING -s 10.88.0.0/16 -j NETAVARK-1D8721804F16F',
    '-A NETAVARK-1D8721804F16F -d 10.88.0.0/16 -j ACCEPT',
    '-A NETAVARK-1D8721804F16F ! -d 224.0.0.0/4 -j MASQUERADE',
    '-A NETAVARK-DN-1D8721804F16F -s 127.0.0.1/32 -d 127.0.0.1/32 -p udp -m udp --dport 8082 -j NETAVARK-HOSTPORT-SETMARK',
    '-A NETAVARK-DN-1D8721804F16F -d 127.0.0.1/32 -p udp -m udp --dport 8082 -j DNAT --to-destination 10.88.0.2:80',
    '-A NETAVARK-HOSTPORT-DNAT -p udp -m udp --dport 8082 -m comment --comment "dnat name: podman id: 92cf" -j NETAVARK-DN-1D8721804F16F',
    '-A NETAVARK-HOSTPORT-MASQ -m comment --comment "netavark portfw masq mark" -m mark --mark 0x2000/0x2000 -j MASQUERADE',
    '-A NETAVARK-HOSTPORT-SETMARK -j MARK --set-xmark 0x2000/0x2000',
  ];
  const guest = {
    'filter-ipv4': `${withRules('ipv4', filter)['filter-ipv4']}\n*nat\n${nat.join('\n')}\nCOMMIT`,
    ...withRules(
      'ipv6',
      ['-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd9a:1::2]:80'],
      'nat',
    ),
  };
  assert.deepEqual(failingClaims({ ...podmans, 'filter-ipv4': guest['filter-ipv4'] }), []);
  assert.deepEqual(
    failingClaims({ ...podmans, ...guest }),
    ['firewall-other-tables'],
    'not in a chain of Podman',
  );
  assert.deepEqual(failingClaims({ 'filter-ipv4': guest['filter-ipv4'] }), [
    'firewall-input-ipv4',
    'firewall-forward-ipv4',
    'firewall-other-tables',
  ]);
});

test("a name service for Podman's containers is no listener for others", () => {
  const failingWith = (...listeners: readonly string[]) =>
    failingClaims({ ...podmans, ...added('listeners', listeners.join('\n')) });
  assert.deepEqual(
    failingWith(
      'udp   UNCONN 0      0      10.89.0.1:53 0.0.0.0:*   ',
      'tcp   LISTEN 0      1      10.89.0.1:53 0.0.0.0:*   ',
      'udp   UNCONN 0      0      [fd9a:1::1]:53 [::]:*   ',
    ),
    [],
  );
  for (const other of [
    'udp   UNCONN 0      0      10.90.0.1:53 0.0.0.0:*   ',
    'udp   UNCONN 0      0      10.89.0.1:54 0.0.0.0:*   ',
    'udp   UNCONN 0      0      0.0.0.0:53 0.0.0.0:*   ',
    'udp   UNCONN 0      0      *:53 *:*   ',
    'tcp   LISTEN 0      1      [::]:53 [::]:*   ',
  ])
    assert.deepEqual(failingWith(other), ['no-listeners'], other);
});

test('a subnet is of containers only if a bridge has it, and no other interface', () => {
  const networks = (subnet: string, local: string, prefixlen: number, kind = 'bridge') =>
    containerNetworks(
      [{ name: 'x', driver: 'bridge', network_interface: 'x0', subnets: [{ subnet }] }],
      parseLinks(
        links({
          ifname: 'x0',
          link_type: 'ether',
          linkinfo: { info_kind: kind },
          addr_info: [{ local, prefixlen }],
        }),
      ),
    ).flatMap(({ subnets }) => subnets);
  assert.deepEqual(networks('10.90.0.0/24', '10.90.0.1', 24), ['10.90.0.0/24']);
  assert.deepEqual(networks('0.0.0.0/0', '10.90.0.1', 0), []);
  assert.deepEqual(networks('::/0', 'fd00::1', 0), []);
  assert.deepEqual(networks('128.0.0.0/1', '200.0.0.1', 1), []);
  assert.deepEqual(networks('10.90.0.0/24', '10.90.1.1', 24), [], 'the bridge has no address in it');
  assert.deepEqual(networks('10.0.0.0/16', '10.0.9.1', 16), [], 'the network card has an address in it');
  assert.deepEqual(networks('10.90.0.0/24', '10.90.0.1', 24, 'dummy'), [], 'no bridge');
});
