import type { GuestSabotage } from './sabotages.ts';

/** Shell words that print the name of the network card. */
const card = "$(ip -o route show default | sed 's/.* dev \\([^ ]*\\).*/\\1/')";

/** Changes to what packets may do. */
export const networkInGuest: readonly GuestSabotage[] = [
  {
    what: 'a packet filter that accepts all packets',
    by: 'mistake',
    sabotage: 'iptables -P INPUT ACCEPT',
    undo: 'iptables -P INPUT DROP',
    fails: ['firewall-input-ipv4'],
  },
  {
    what: 'a hole for IPv6, and a way through',
    by: 'mistake',
    sabotage: 'ip6tables -A INPUT -p tcp --dport 80 -j ACCEPT; ip6tables -P FORWARD ACCEPT',
    undo: 'ip6tables -D INPUT -p tcp --dport 80 -j ACCEPT; ip6tables -P FORWARD DROP',
    fails: ['firewall-input-ipv6', 'firewall-forward-ipv6'],
  },
  {
    what: 'a packet filter that lets everything through',
    by: 'mistake',
    sabotage: 'iptables -I FORWARD -j ACCEPT',
    undo: 'iptables -D FORWARD -j ACCEPT',
    fails: ['firewall-forward-ipv4'],
  },
  {
    what: 'a chain with a name like those of Podman',
    by: 'attacker',
    sabotage: `iptables -N NETAVARK_X; iptables -A NETAVARK_X -j ACCEPT
      iptables -I INPUT 1 -j NETAVARK_X; iptables -I FORWARD 1 -j NETAVARK_X`,
    undo: `iptables -D INPUT -j NETAVARK_X; iptables -D FORWARD -j NETAVARK_X
      iptables -F NETAVARK_X; iptables -X NETAVARK_X`,
    fails: ['firewall-input-ipv4', 'firewall-forward-ipv4'],
    shows: /there is -A NETAVARK_X -j ACCEPT/,
  },
  {
    what: 'a chain that several jumps lead to',
    by: 'attacker',
    sabotage: `for chain in one two; do ip6tables -N $chain; done
      ip6tables -A one -p tcp -g two; ip6tables -A two -j ACCEPT; ip6tables -I INPUT 1 -j one`,
    undo: `ip6tables -D INPUT -j one
      for chain in one two; do ip6tables -F $chain; done; for chain in one two; do ip6tables -X $chain; done`,
    fails: ['firewall-input-ipv6'],
    shows: /there is -A two -j ACCEPT/,
  },
  {
    what: 'a port that is redirected before the filter',
    by: 'attacker',
    sabotage: 'iptables -t nat -A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 9999',
    undo: 'iptables -t nat -D PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 9999',
    fails: ['firewall-other-tables'],
    shows: /nat has -A PREROUTING .* REDIRECT/,
  },
  {
    what: 'a mark that was forgotten',
    by: 'mistake',
    sabotage: 'ip6tables -t mangle -A PREROUTING -j MARK --set-mark 1',
    undo: 'ip6tables -t mangle -D PREROUTING -j MARK --set-mark 1',
    fails: ['firewall-other-tables'],
    shows: /mangle has -A PREROUTING/,
  },
  {
    what: 'a table that iptables does not show',
    by: 'attacker',
    sabotage: 'nft add table inet audit',
    undo: 'nft delete table inet audit',
    fails: ['firewall-only-iptables'],
    shows: /nf_tables has the table inet audit/,
  },
  {
    what: 'a service that listens',
    by: 'mistake',
    sabotage:
      'systemd-run --quiet --unit=audit-listener --socket-property=ListenStream=0.0.0.0:4444 /bin/true',
    undo: 'systemctl stop audit-listener.socket',
    fails: ['no-listeners'],
    shows: /tcp 0\.0\.0\.0:4444 listens/,
  },
  {
    what: "a listener on the port of Podman's name service",
    by: 'attacker',
    sabotage: 'systemd-run --quiet --unit=audit-names --socket-property=ListenDatagram=0.0.0.0:53 /bin/true',
    undo: 'systemctl stop audit-names.socket',
    fails: ['no-listeners'],
    shows: /udp 0\.0\.0\.0:53 listens/,
  },
  {
    what: 'another service on the channel',
    by: 'attacker',
    sabotage: 'systemd-run --quiet --unit=audit-channel --socket-property=ListenStream=vsock::4444 /bin/true',
    undo: 'systemctl stop audit-channel.socket',
    fails: ['channel-not-on-network'],
  },
  {
    what: 'routes by mark',
    by: 'mistake',
    sabotage: 'ip rule add fwmark 1 lookup 100',
    undo: 'ip rule del fwmark 1 lookup 100',
    fails: ['network-interfaces'],
    shows: /fwmark/,
  },
  {
    what: 'an address of its own for a namespace, next to the filter',
    by: 'attacker',
    sabotage: `ip netns add audit; ip link add link ${card} name audit0 type macvlan; ip link set audit0 netns audit`,
    undo: 'ip netns del audit',
    fails: ['network-namespaces'],
    shows: /has the macvlan audit0/,
  },
  {
    what: 'a program that reads packets before the filter',
    by: 'attacker',
    sabotage: 'systemd-run --quiet --unit=audit-raw socat -u INTERFACE:lo OPEN:/dev/null; sleep 1',
    undo: 'systemctl stop audit-raw',
    fails: ['raw-sockets'],
    shows: /audit-raw\.service/,
  },
];
