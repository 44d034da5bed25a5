import { added, allowedFile, changed, type Sabotage, tcp } from './audit-sabotage.ts';

/** Packet filter and listeners. */
export const networkSabotages: readonly Sabotage[] = [
  ...(['ipv4', 'ipv6'] as const).flatMap((family): Sabotage[] => [
    {
      what: `${family} lets in`,
      guest: changed(`filter-${family}`, 'INPUT DROP', 'INPUT ACCEPT'),
      fails: [`firewall-input-${family}`],
    },
    {
      what: `${family} forwards`,
      guest: changed(`filter-${family}`, 'FORWARD DROP', 'FORWARD ACCEPT'),
      fails: [`firewall-forward-${family}`],
    },
    {
      what: `${family} with a hole`,
      guest: added(`filter-${family}`, '-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT'),
      fails: [`firewall-input-${family}`],
    },
    {
      what: `${family} with a way through`,
      guest: added(`filter-${family}`, '-A FORWARD -i eth0 -j ACCEPT'),
      fails: [`firewall-forward-${family}`],
    },
    {
      what: `${family} that takes no answers`,
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
    guest: added('filter-ipv6', '-A HOLDFAST -p tcp -m conntrack --ctstate NEW --ctorigdstport 80 -j ACCEPT'),
    fails: ['firewall-input-ipv6'],
  },
  {
    what: 'a port that was allowed and is not open',
    guest: { 'firewall-allowed': allowedFile },
    fails: ['firewall-input-ipv4', 'firewall-input-ipv6'],
  },
  {
    what: 'a damaged file of what is allowed',
    guest: { 'firewall-allowed': allowedFile.replace('ACCEPT', 'ACCEP') },
    fails: ['firewall-input-ipv4', 'firewall-input-ipv6', 'no-listeners'],
  },
  {
    what: 'published ports without control',
    guest: changed(
      'filter-ipv4',
      '-A FORWARD -m conntrack --ctstate DNAT -j HOLDFAST',
      '-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT',
    ),
    fails: ['firewall-forward-ipv4'],
  },
  {
    what: "a hole in Podman's chain",
    guest: added('filter-ipv4', '-A NETAVARK_FORWARD -j ACCEPT'),
    fails: ['firewall-forward-ipv4'],
  },
  {
    what: "another hole in Podman's chain",
    guest: added('filter-ipv6', '-A NETAVARK_INPUT -p tcp -m tcp --dport 80 -j ACCEPT'),
    fails: ['firewall-input-ipv6'],
  },
  {
    what: 'a TCP listener',
    guest: added('listeners', 'tcp   LISTEN 0      1      0.0.0.0:4444 0.0.0.0:*   '),
    fails: ['no-listeners'],
  },
  {
    what: 'a UDP listener',
    guest: added('listeners', 'udp   UNCONN 0      0      [::]:53 [::]:*   '),
    fails: ['no-listeners'],
  },
  {
    what: 'SSH over TCP unasked',
    guest: added('listeners', 'tcp   LISTEN 0      1      *:22 *:*   '),
    fails: ['no-listeners'],
  },
  {
    what: 'tcp without its rules',
    host: tcp,
    fails: ['firewall-input-ipv4', 'firewall-input-ipv6', 'ssh-brute-force'],
  },
];
