import type { HostFactTypes } from '../../src/audit/host-facts.ts';
import { guid } from '../../src/base/guid.ts';
import { bootEntry, setBootEntry, setBootOrder, setVerity } from '../../src/firmware/boot.ts';
import { attributes, vendors } from '../../src/firmware/names.ts';
import type { Variable } from '../../src/firmware/record.ts';
import { deleteVariable, setVariables } from '../../src/firmware/store.ts';
import { goodFacts } from './audit-evidence.ts';
import { added, changed, type Sabotage } from './audit-sabotage.ts';

const { variables } = goodFacts;
const foreignVendor = guid('12345678-9abc-def0-1122-334455667788');

function shared(name: string, vendor: typeof foreignVendor): Variable {
  return { name, vendor, attributes: attributes.shared, data: Buffer.alloc(1500) };
}

/** Claims that compare /etc with the release that runs. */
const comparing = ['ssh-root-refused', 'units-as-shipped', 'libraries-of-root', 'privilege-files'];

function bootOrder(...numbers: readonly number[]): Partial<HostFactTypes> {
  const data = Buffer.concat(numbers.map((number) => Buffer.of(number & 0xff, number >> 8)));
  const variable = { name: 'BootOrder', vendor: vendors.global, attributes: attributes.shared, data };
  return { variables: setVariables(variables, variable) };
}

/** The root, and how it is started. */
export const bootSabotages: readonly Sabotage[] = [
  {
    what: 'a root that can be written',
    by: 'attacker',
    guest: { 'root-writes': '/usr/bin/holdfast-audit' },
    fails: ['root-read-only'],
  },
  {
    what: 'a root mounted rw',
    by: 'mistake',
    guest: changed('mounts', '/ / ro,', '/ / rw,'),
    fails: ['root-read-only'],
  },
  {
    what: 'another file system',
    by: 'attacker',
    guest: changed('mounts', 'erofs', 'ext4'),
    fails: ['root-read-only', 'root-not-shadowed'],
  },
  {
    what: 'a directory over /usr/bin',
    by: 'attacker',
    guest: added('mounts', '99 27 254:8 /x /usr/bin rw,relatime shared:99 - ext4 /dev/vda8 rw'),
    fails: ['root-not-shadowed', 'no-setuid-outside-root'],
  },
  {
    what: 'the boot image without verity, which is not configured',
    by: 'mistake',
    guest: {
      ...{ 'booted-verity': 'off', 'verity-table': 'none', 'verity-status': 'none' },
      ...{ 'root-device': 'partition\n3', 'verity-signatures': 'N' },
    },
    fails: ['root-verity', 'root-signature'],
  },
  {
    what: 'no verity device under the boot image with verity',
    by: 'mistake',
    guest: { 'verity-table': 'none' },
    fails: ['root-verity', 'root-signature'],
  },
  {
    what: 'a boot entry of the image without verity, though one with it was chosen',
    by: 'mistake',
    host: { variables: setVerity(variables, 'off') },
    fails: ['boot-order'],
  },
  {
    what: 'a root next to verity',
    by: 'attacker',
    guest: { 'root-device': 'other\n3' },
    fails: ['root-verity'],
  },
  {
    what: 'the root of the other slot',
    by: 'mistake',
    guest: { 'root-device': 'root\n6' },
    fails: ['root-verity'],
  },
  {
    what: 'a damaged block',
    by: 'mistake',
    guest: { 'verity-status': '0 325040 verity C' },
    fails: ['root-verity'],
  },
  {
    what: 'another root hash',
    by: 'attacker',
    guest: changed('verity-table', '4d2d', '5d2d'),
    fails: ['root-verity'],
  },
  {
    what: 'another booted hash',
    by: 'attacker',
    guest: changed('booted-root-hash', '4d2d', '5d2d'),
    fails: ['root-verity', ...comparing],
  },
  {
    what: 'damage that is let by',
    by: 'attacker',
    guest: changed('verity-table', 'panic_on_corruption', 'ignore_corruption'),
    fails: ['root-verity'],
  },
  {
    what: 'signatures not demanded',
    by: 'mistake',
    guest: { 'verity-signatures': 'N' },
    fails: ['root-signature'],
  },
  {
    what: 'a root without signature',
    by: 'attacker',
    guest: changed(
      'verity-table',
      '3 panic_on_corruption root_hash_sig_key_desc holdfast-root-hash',
      '1 panic_on_corruption',
    ),
    fails: ['root-signature'],
  },
  { what: 'Secure Boot off', by: 'mistake', guest: { 'secure-boot': '   0\n   0' }, fails: ['secure-boot'] },
  { what: 'setup mode', by: 'attacker', guest: { 'secure-boot': '   1\n   1' }, fails: ['secure-boot'] },
  {
    what: 'no db',
    by: 'mistake',
    host: { variables: deleteVariable(variables, vendors.imageSecurity, 'db') },
    fails: ['secure-boot-keys'],
  },
  {
    what: 'the enabling switch off',
    by: 'attacker',
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
  { what: 'another loader first', by: 'attacker', host: bootOrder(1, 0x0a), fails: ['boot-order'] },
  { what: 'no boot order', by: 'mistake', host: bootOrder(), fails: ['ab-servicing', 'boot-order'] },
  {
    what: 'the other slot committed',
    by: 'attacker',
    host: { variables: setBootOrder(setBootEntry(variables, 'B', bootEntry('B')), ['B', 'A']) },
    fails: ['ab-servicing', 'partition-bootefib', 'partition-bootb', 'partition-rootfs-b'],
  },
  {
    what: 'an entry to another file',
    by: 'attacker',
    host: { variables: setBootEntry(variables, 'A', bootEntry('A', '\\x.efi')) },
    fails: ['boot-order'],
  },
  {
    what: 'an entry to another slot',
    by: 'mistake',
    host: { variables: setBootEntry(variables, 'A', bootEntry('B')) },
    fails: ['boot-order'],
  },
  {
    what: 'no lockdown',
    by: 'mistake',
    guest: { lockdown: '[none] integrity confidentiality' },
    fails: ['lockdown'],
  },
  {
    what: "an administrator's own boot entry",
    by: 'mistake',
    host: { variables: setVariables(variables, shared('Boot0123', vendors.global)) },
    fails: ['boot-variables'],
  },
  {
    what: 'a store full of variables of an intruder',
    by: 'attacker',
    host: {
      variables: setVariables(
        variables,
        ...Array.from({ length: 149 }, (_, each) => shared(`\u001b]52;${each}`, foreignVendor)),
      ),
    },
    fails: ['boot-variables'],
  },
];
