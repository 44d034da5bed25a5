import assert from 'node:assert/strict';
import type { GuestAnswer } from '../../../src/audit/guest-probe.ts';
import type { HostFactTypes } from '../../../src/audit/host-facts.ts';
import { guid } from '../../../src/base/guid.ts';
import { serialiseTable } from '../../../src/disk/gpt.ts';
import { currentTable } from '../../../src/disk/growth.ts';
import { bootEntry, setBootEntry, setBootOrder, setVerity } from '../../../src/firmware/boot.ts';
import { attributes, vendors } from '../../../src/firmware/names.ts';
import { deleteVariable, setVariables } from '../../../src/firmware/store.ts';
import { serialiseRules } from '../../../src/guest/firewall-file.ts';
import { goodAnswers, goodFacts } from './audit-evidence.ts';

/** Evidence that is not good, and what must come of it. */
export interface Sabotage {
  readonly what: string;
  readonly guest?: Readonly<Record<string, string | GuestAnswer>>;
  readonly host?: Partial<HostFactTypes>;
  /** The claims that must fail; all others must not. */
  readonly fails: readonly string[];
}

/** A good answer with a word exchanged, which must be in it. */
export function changed(probe: string, from: string, to: string): Record<string, string> {
  const good = goodAnswers[probe] ?? '';
  assert.ok(good.includes(from), `${probe} has ${from}`);
  return { [probe]: good.replace(from, to) };
}

export function added(probe: string, line: string): Record<string, string> {
  return { [probe]: `${goodAnswers[probe]}\n${line}` };
}

/** As the guest prints the file: without the last newline. */
export const allowedFile = serialiseRules([
  { service: { protocol: 'tcp', first: 8080, last: 8090 }, from: undefined, comment: 'web' },
]).trimEnd();

const { variables, configuration, tables, channelKeys } = goodFacts;
export const tcp = { configuration: { ...configuration, transport: 'tcp' } } as const;
const onVar = ['data-writable', 'overlay-etc', 'overlay-home', 'overlay-root'];

function bootOrder(...numbers: readonly number[]): Partial<HostFactTypes> {
  const data = Buffer.concat(numbers.map((number) => Buffer.of(number & 0xff, number >> 8)));
  const variable = { name: 'BootOrder', vendor: vendors.global, attributes: attributes.shared, data };
  return { variables: setVariables(variables, variable) };
}

function otherTable(change: (entry: ReturnType<typeof currentTable>['partitions'][number]) => object) {
  const table = currentTable(tables);
  const partitions = table.partitions.map((entry) => ({ ...entry, ...change(entry) }));
  return { tables: { size: tables.size, ...serialiseTable({ ...table, partitions }) } };
}

const partitionSabotages = currentTable(tables).partitions.flatMap(({ number, name }): Sabotage[] => {
  const id = `partition-${name.toLowerCase()}`;
  const line = goodAnswers.partitions?.split('\n')[number - 1] ?? '';
  const size = line.split(' ')[2] ?? '';
  return [
    {
      what: `${name} has another name on the disk`,
      host: otherTable((entry) => (entry.number === number ? { name: 'Other' } : {})),
      fails: [id],
    },
    {
      what: `${name} has another type`,
      host: otherTable((entry) =>
        entry.number === number ? { type: guid('11111111-2222-3333-4444-555555555555') } : {},
      ),
      fails: [id],
    },
    {
      what: `${name} is smaller in the guest`,
      guest: changed('partitions', line, line.replace(` ${size} `, ' 8 ')),
      fails: [id],
    },
    {
      what: `${name} is missing in the guest`,
      guest: changed('partitions', number === 8 ? `\n${line}` : `${line}\n`, ''),
      fails: ['partition-table', id],
    },
  ];
});

export const sabotages: readonly Sabotage[] = [
  { what: 'a dpkg', guest: added('package-managers', '/etc/dpkg'), fails: ['no-package-manager'] },
  { what: 'a search that finds nothing', guest: { 'package-managers': '' }, fails: ['no-package-manager'] },
  { what: 'another release runs', guest: { 'release-version': '12.1' }, fails: ['release-signed'] },
  {
    what: 'machine.json names another release',
    host: { configuration: { ...configuration, release: goodFacts.release.manifest.uki.sha256 } },
    fails: ['release-signed'],
  },
  {
    what: 'a root that can be written',
    guest: { 'root-writes': '/usr/bin/holdfast-audit' },
    fails: ['root-read-only'],
  },
  { what: 'a root mounted rw', guest: changed('mounts', '/ / ro,', '/ / rw,'), fails: ['root-read-only'] },
  { what: 'another file system', guest: changed('mounts', 'erofs', 'ext4'), fails: ['root-read-only'] },
  {
    what: 'a folder over /usr/bin',
    guest: added('mounts', '99 27 254:8 /x /usr/bin rw,relatime shared:99 - ext4 /dev/vda8 rw'),
    fails: ['root-not-shadowed'],
  },
  { what: 'a preloaded library', guest: { preload: 'present' }, fails: ['root-not-shadowed'] },
  {
    what: 'the boot image without verity, which nobody chose',
    guest: {
      ...{ 'booted-verity': 'off', 'verity-table': 'none', 'verity-status': 'none' },
      ...{ 'root-device': 'partition\n3', 'verity-signatures': 'N' },
    },
    fails: ['root-verity', 'root-signature'],
  },
  {
    what: 'no verity device under the boot image with verity',
    guest: { 'verity-table': 'none' },
    fails: ['root-verity', 'root-signature'],
  },
  {
    what: 'a boot entry of the image without verity, though one with it was chosen',
    host: { variables: setVerity(variables, 'off') },
    fails: ['boot-order'],
  },
  { what: 'a root beside verity', guest: { 'root-device': 'other\n3' }, fails: ['root-verity'] },
  { what: 'the root of the other slot', guest: { 'root-device': 'root\n6' }, fails: ['root-verity'] },
  { what: 'a damaged block', guest: { 'verity-status': '0 325040 verity C' }, fails: ['root-verity'] },
  { what: 'another root hash', guest: changed('verity-table', '4d2d', '5d2d'), fails: ['root-verity'] },
  { what: 'another booted hash', guest: changed('booted-root-hash', '4d2d', '5d2d'), fails: ['root-verity'] },
  {
    what: 'damage that is let by',
    guest: changed('verity-table', 'panic_on_corruption', 'ignore_corruption'),
    fails: ['root-verity'],
  },
  { what: 'signatures not demanded', guest: { 'verity-signatures': 'N' }, fails: ['root-signature'] },
  {
    what: 'a root without signature',
    guest: changed(
      'verity-table',
      '3 panic_on_corruption root_hash_sig_key_desc holdfast-root-hash',
      '1 panic_on_corruption',
    ),
    fails: ['root-signature'],
  },
  { what: 'Secure Boot off', guest: { 'secure-boot': '   0\n   0' }, fails: ['secure-boot'] },
  { what: 'setup mode', guest: { 'secure-boot': '   1\n   1' }, fails: ['secure-boot'] },
  {
    what: 'no db',
    host: { variables: deleteVariable(variables, vendors.imageSecurity, 'db') },
    fails: ['secure-boot-keys'],
  },
  {
    what: 'the enabling switch off',
    host: {
      variables: setVariables(variables, {
        name: 'SecureBootEnable',
        vendor: vendors.secureBootEnable,
        attributes: attributes.firmware,
        data: Buffer.of(0),
      }),
    },
    fails: ['secure-boot-keys'],
  },
  { what: 'another loader first', host: bootOrder(1, 0x0a), fails: ['boot-order'] },
  { what: 'no boot order', host: bootOrder(), fails: ['boot-order'] },
  {
    what: 'the other slot committed',
    host: { variables: setBootOrder(setBootEntry(variables, 'B', bootEntry('B')), ['B', 'A']) },
    fails: ['boot-order'],
  },
  {
    what: 'an entry to another file',
    host: { variables: setBootEntry(variables, 'A', bootEntry('A', '\\x.efi')) },
    fails: ['boot-order'],
  },
  {
    what: 'an entry to another slot',
    host: { variables: setBootEntry(variables, 'A', bootEntry('B')) },
    fails: ['boot-order'],
  },
  { what: 'no lockdown', guest: { lockdown: '[none] integrity confidentiality' }, fails: ['lockdown'] },
  { what: '/var elsewhere', guest: changed('mounts', 'ext4 /dev/vda8', 'ext4 /dev/vda9'), fails: onVar },
  {
    what: '/var with devices',
    guest: changed('mounts', '/var rw,nosuid,nodev,', '/var rw,nosuid,'),
    fails: onVar,
  },
  {
    what: '/var that cannot be written',
    guest: { 'write-var': { code: 1, text: 'mktemp: No space left on device' } },
    fails: ['data-writable'],
  },
  {
    what: 'something over /logs',
    guest: added('mounts', '99 29 0:99 / /logs rw,nosuid,nodev shared:99 - tmpfs tmpfs rw'),
    fails: ['logs-on-log'],
  },
  { what: 'the journal elsewhere', guest: { journal: '254:8' }, fails: ['logs-on-log'] },
  ...['etc', 'home', 'root'].map((name) => ({
    what: `changes of /${name} kept elsewhere`,
    guest: changed('mounts', `overlays/${name}/upper`, `elsewhere/${name}/upper`),
    fails: [`overlay-${name}`],
  })),
  {
    what: 'a file of /etc that did not last',
    guest: { 'first-written': { code: 1, text: 'cmp: /etc/machine-id: No such file or directory' } },
    fails: ['etc-lasts'],
  },
  {
    what: '/etc without its overlay',
    guest: changed('mounts', '/ /etc rw', '/ /run/etc rw'),
    fails: ['overlay-etc'],
  },
  {
    what: 'a damaged backup table',
    host: { tables: { ...tables, backup: Buffer.alloc(tables.backup.length) } },
    fails: ['partition-table'],
  },
  ...partitionSabotages,
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
    what: 'a port that nobody allowed',
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
    what: 'published ports that nobody governs',
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
  {
    what: 'passwords by SSH',
    guest: changed('sshd', 'passwordauthentication no', 'passwordauthentication yes'),
    fails: ['ssh-no-passwords'],
  },
  {
    what: 'root by SSH',
    guest: changed('sshd', 'permitrootlogin no', 'permitrootlogin yes'),
    fails: ['ssh-root-refused'],
  },
  {
    what: "a user's own keys",
    guest: changed('sshd', 'authorizedkeysfile none', 'authorizedkeysfile .ssh/authorized_keys'),
    fails: ['ssh-root-refused'],
  },
  { what: 'a password', guest: changed('passwords', 'holdfast *', 'holdfast set'), fails: ['no-passwords'] },
  { what: 'an empty password', guest: changed('passwords', 'root *', 'root empty'), fails: ['no-passwords'] },
  { what: 'no account root', guest: changed('passwords', 'root *\n', ''), fails: ['no-passwords'] },
  {
    what: 'a key shared with another machine',
    host: { otherKeys: { twin: channelKeys } },
    fails: ['ssh-keys-unique'],
  },
  {
    what: 'one key for both ends',
    host: { channelKeys: { identity: 'aa', hostKey: 'aa' }, otherKeys: {} },
    fails: ['ssh-keys-unique', 'ssh-keys-pinned'],
  },
  { what: 'another host key', guest: changed('keys', 'AAAAIHtx', 'AAAAIHty'), fails: ['ssh-keys-pinned'] },
  { what: 'another key let in', guest: changed('keys', 'AAAAIONj', 'AAAAIONk'), fails: ['ssh-keys-pinned'] },
  { what: 'no listener on the channel', guest: { 'vsock-listeners': '' }, fails: ['channel-not-on-network'] },
  {
    what: 'another vsock port',
    guest: added('vsock-listeners', 'v_str LISTEN 0      0      *:23 *:*   '),
    fails: ['channel-not-on-network'],
  },
  { what: 'a login prompt', guest: added('processes', 'agetty'), fails: ['no-login-prompt'] },
  {
    what: 'a private key that others can read',
    host: {
      access: [
        ...goodFacts.access,
        { path: 'machines/default/secrets/guest-host-key', kind: 'file', mode: 0o640 },
      ],
    },
    fails: ['secrets-private'],
  },
  {
    what: 'a certificate that others can write',
    host: {
      access: [...goodFacts.access, { path: 'keys/platform/certificate.pem', kind: 'file', mode: 0o666 }],
    },
    fails: ['secrets-private'],
  },
  {
    what: 'a home that others can write',
    host: {
      access: goodFacts.access.map((each) => (each.path === '.' ? { ...each, mode: 0o777 } : each)),
    },
    fails: ['secrets-private'],
  },
  { what: 'no secrets', host: { access: [] }, fails: ['secrets-private'] },
];
