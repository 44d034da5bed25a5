import type { HostFactTypes } from '../../src/audit/host-facts.ts';
import { guid } from '../../src/base/guid.ts';
import { serializeTable } from '../../src/disk/gpt.ts';
import { currentTable } from '../../src/disk/growth.ts';
import { bootEntry, setBootEntry, setBootOrder, setVerity } from '../../src/firmware/boot.ts';
import { attributes, vendors } from '../../src/firmware/names.ts';
import type { Variable } from '../../src/firmware/record.ts';
import { deleteVariable, setVariables } from '../../src/firmware/store.ts';
import { sha256 } from '../../src/release/manifest.ts';
import { goodAnswers, goodFacts } from './audit-evidence.ts';
import { added, changed, type Sabotage } from './audit-sabotage.ts';
import { networkSabotages } from './audit-sabotages-network.ts';

const { variables, configuration, tables, channelKeys } = goodFacts;
const onVar = ['data-writable', 'overlay-etc', 'overlay-home', 'overlay-root'];

const foreignVendor = guid('12345678-9abc-def0-1122-334455667788');

function shared(name: string, vendor: typeof foreignVendor): Variable {
  return { name, vendor, attributes: attributes.shared, data: Buffer.alloc(1500) };
}

function bootOrder(...numbers: readonly number[]): Partial<HostFactTypes> {
  const data = Buffer.concat(numbers.map((number) => Buffer.of(number & 0xff, number >> 8)));
  const variable = { name: 'BootOrder', vendor: vendors.global, attributes: attributes.shared, data };
  return { variables: setVariables(variables, variable) };
}

function otherTable(change: (entry: ReturnType<typeof currentTable>['partitions'][number]) => object) {
  const table = currentTable(tables);
  const partitions = table.partitions.map((entry) => ({ ...entry, ...change(entry) }));
  return { tables: { size: tables.size, ...serializeTable({ ...table, partitions }) } };
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
  {
    what: 'access to the host TPM that is not configured',
    guest: { tpm: 'answer 0x143' },
    fails: ['tpm'],
  },
  { what: 'another TPM', guest: { tpm: '/dev/tpm0\n/dev/tpmrm0\n/dev/tpm1\nanswer ' }, fails: ['tpm'] },
  {
    what: 'a release of an earlier epoch runs',
    host: { configuration: { ...configuration, epoch: 2 } },
    fails: ['release-signed'],
  },
  { what: 'another release runs', guest: { 'release-version': '12.1' }, fails: ['release-signed'] },
  {
    what: 'machine.json names another release',
    host: { configuration: { ...configuration, release: sha256.parse('ab'.repeat(32)) } },
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
    what: 'a directory over /usr/bin',
    guest: added('mounts', '99 27 254:8 /x /usr/bin rw,relatime shared:99 - ext4 /dev/vda8 rw'),
    fails: ['root-not-shadowed'],
  },
  { what: 'a preloaded library', guest: { preload: 'present' }, fails: ['root-not-shadowed'] },
  {
    what: 'the boot image without verity, which is not configured',
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
  { what: 'a root next to verity', guest: { 'root-device': 'other\n3' }, fails: ['root-verity'] },
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
  {
    what: "an administrator's own boot entry",
    host: { variables: setVariables(variables, shared('Boot0123', vendors.global)) },
    fails: ['boot-variables'],
  },
  {
    what: 'a store full of variables of an intruder',
    host: {
      variables: setVariables(
        variables,
        ...Array.from({ length: 149 }, (_, each) => shared(`\u001b]52;${each}`, foreignVendor)),
      ),
    },
    fails: ['boot-variables'],
  },
  { what: 'another loader first', host: bootOrder(1, 0x0a), fails: ['boot-order'] },
  { what: 'no boot order', host: bootOrder(), fails: ['ab-servicing', 'boot-order'] },
  {
    what: 'the other slot committed',
    host: { variables: setBootOrder(setBootEntry(variables, 'B', bootEntry('B')), ['B', 'A']) },
    fails: ['ab-servicing'],
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
  ...networkSabotages,
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
  {
    what: 'a private key given to another user',
    host: {
      access: [
        ...goodFacts.access,
        { path: 'keys/release/private.pem', kind: 'file', mode: 0o600, stranger: 65534 },
      ],
    },
    fails: ['secrets-private'],
  },
  {
    what: 'a private key that is a link',
    host: { access: [...goodFacts.access, { path: 'keys/release/private.pem', kind: 'other', mode: 0o777 }] },
    fails: ['secrets-private'],
  },
  {
    what: 'a home below a directory of another user',
    host: { exposed: ['/home/other belongs to user 1000'] },
    fails: ['secrets-private'],
  },
  { what: 'no secrets', host: { access: [] }, fails: ['secrets-private'] },
];
