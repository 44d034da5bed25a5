import * as z from 'zod';
import { type Slot, slotPartition } from '../../disk/layout.ts';
import { systemRoot } from '../../guest/system-root.ts';
import { rootHash } from '../../verity/root-hash.ts';
import { defineClaim, fail, off, unless } from '../claim.ts';
import { lines, matching, type Probe } from '../guest-probe.ts';
import { misplaced, missingOptions, mountAt, mounts } from '../mounts.ts';
import { bootedVerity, isUnverified, slot } from '../shared-probes.ts';

/** `created`: a file could be created although that should be impossible; it is removed. */
const rootWrites: Probe<readonly string[]> = {
  name: 'root-writes',
  command: `for file in /holdfast-audit /usr/bin/holdfast-audit /usr/lib/holdfast-audit; do
    if { : >"${systemRoot}$file"; } 2>/dev/null; then rm -f "${systemRoot}$file"; echo "$file"; fi
  done`,
  form: z
    .string()
    .max(200)
    .regex(/^(?:\/[a-z/-]+(?:\n|$))*$/)
    .transform((text) => text.split('\n').filter((line) => line !== '')),
};

interface VerityTable {
  readonly device: string;
  readonly rootHash: string;
  readonly options: readonly string[];
}

/** Kernel documentation, device-mapper/verity: the table's line. `none` only with the boot image without verity. */
export const verityTable: Probe<VerityTable | 'none'> = {
  name: 'verity-table',
  command: `if ${isUnverified}; then echo none; else dmsetup table root; fi`,
  form: matching(
    /^(?:none|0 \d+ verity 1 (\S+) \S+ 4096 4096 \d+ \d+ sha256 ([0-9a-f]{64}) \S+(?: \d+((?: \S+)+))?)$/,
    ([device = '', hash = '', options = '']) =>
      device === ''
        ? 'none'
        : { device, rootHash: hash, options: options.split(' ').filter((word) => word !== '') },
  ),
};

/** `V`: every block read so far was valid. */
const verityStatus: Probe<'V' | 'C' | 'none'> = {
  name: 'verity-status',
  command: `if ${isUnverified}; then echo none; else dmsetup status root; fi`,
  form: matching(/^(?:none|0 \d+ verity ([VC])(?: .*)?)$/, ([state]) =>
    state === 'V' || state === 'C' ? state : 'none',
  ),
};

export const bootedHash: Probe<string> = {
  name: 'booted-root-hash',
  command: 'tr " " "\\n" </proc/cmdline | sed -n s/^holdfast.root=//p',
  form: rootHash,
};

/** Device-mapper name of the device of `/`, and the partition below it; or `partition` and its number. */
const rootDevice: Probe<{ readonly name: string; readonly below: string }> = {
  name: 'root-device',
  command: `device=/sys/dev/block/$(stat -c %Hd:%Ld ${systemRoot})
  if [ -e "$device/dm" ]; then echo "$(<"$device/dm/name")"; cat "$device"/slaves/*/partition
  else echo partition; cat "$device/partition"; fi`,
  form: matching(/^(\S{1,128})\n(\d{1,3})$/, ([name = '', below = '']) => ({ name, below })),
};

/** File systems of the kernel that have devices, or cannot have any. */
const noDevices = /^(?:devtmpfs|devpts)$/;

/** Mounts of containers: the root of each, and its /dev/shm. */
const ofContainers =
  /^\/var\/lib\/containers\/storage\/(?:overlay\/[0-9a-f]{64}\/merged|overlay-containers\/[0-9a-f]{64}\/userdata\/shm)$/;

/** Mode of the directory of all containers of root; `none` without it. */
const containerStorage: Probe<string> = {
  name: 'container-storage',
  command: `directory=${systemRoot}/var/lib/containers/
  if [ -e "$directory" ]; then stat -c %a "$directory"; else echo none; fi`,
  form: matching(/^(none|[0-7]{1,4})$/, ([mode = '']) => mode),
};

/**
 * Interpreters that the kernel was told to start for files (kernel documentation, admin-guide/binfmt-misc), with their flags: with C
 * an interpreter, which can be any file, has the rights of the file. Without the module there are none.
 */
const interpreters: Probe<readonly { readonly name: string; readonly flags: string }[]> = {
  name: 'interpreters',
  command: `[ -e /sys/module/binfmt_misc ] || exit 0
  place=$(mktemp -d) && mount -t binfmt_misc binfmt_misc "$place" && trap 'umount "$place"; rmdir "$place"' EXIT || exit 1
  for file in "$place"/*; do
    case \${file##*/} in register | status) continue ;; esac
    while read -r key value; do [ "$key" != flags: ] || echo "\${file##*/} \${value:--}"; done <"$file"
  done`,
  form: lines(matching(/^(\S.{0,254}) (-|[A-Z]{1,8})$/, ([name = '', flags = '']) => ({ name, flags }))),
};

export const rootClaims = [
  defineClaim({
    id: 'root-read-only',
    sentence:
      'The rootFS-A or rootFS-B partitions are interchangeable and one of the two is mounted as a read-only filesystem at /, which means that no changes are allowed on files stored inside this partition.',
    since: '0.1',
    looksAt: 'The mounts of process 1, and three attempts to create a file in the root.',
    fooledBy: 'Root in the guest mounts another file system for the moment of the audit.',
    notStopped:
      'Root can still change /etc, /home, /root and /var, which are writable by design, and the content of memory.',
    guest: { mounts, rootWrites },
    host: [],
    judge: (guest) => {
      const { found, problems } = mountAt(guest.mounts, '/');
      if (found) {
        if (found.type !== 'erofs') problems.push(`/ is ${found.type} instead of erofs`);
        problems.push(...missingOptions(found, ['ro']));
      }
      problems.push(...guest.rootWrites.map((path) => `root could write ${path}`));
      return unless(problems, `/ is erofs, ro, on ${found?.source}; root could not create a file in it`);
    },
  }),
  defineClaim({
    id: 'root-not-shadowed',
    sentence:
      "This feature assures the virtual machine base software image it's the same and it wasn't altered.",
    since: '0.1',
    looksAt: 'The mounts of process 1.',
    fooledBy: 'Root in the guest mounts in a namespace of its own: processes there see another root.',
    notStopped: 'A process of root may see mounts of its own; the check reads the mounts of process 1.',
    guest: { mounts },
    host: [],
    judge: (guest) =>
      unless(
        misplaced(guest.mounts),
        `none of ${guest.mounts.length} mounts covers the root, the kernel's file systems or a file of the system`,
      ),
  }),
  defineClaim({
    id: 'no-setuid-outside-root',
    sentence:
      'No file outside the verified root gives its caller the rights of its owner, and none is a device.',
    source: 'Holdfast',
    since: '0.2',
    looksAt:
      'The options nosuid and nodev of every mount of process 1 except the root: they disable set-user-ID bits, file capabilities and device files. The mode of the directory of containers. The interpreters of binfmt_misc.',
    fooledBy:
      'Root in the guest mounts in a namespace of its own, or gives a program its rights in another way.',
    notStopped: 'The file systems of containers, which only root can reach from outside of them.',
    guest: { mounts, containerStorage, interpreters },
    host: [],
    judge: ({ mounts, containerStorage, interpreters }) => {
      const others = mounts.filter(
        ({ target, type }) => target !== '/' && type !== 'nsfs' && !ofContainers.test(target),
      );
      const problems = others.flatMap((mount) =>
        missingOptions(mount, noDevices.test(mount.type) ? ['nosuid'] : ['nosuid', 'nodev']),
      );
      for (const { name, flags } of interpreters)
        if (flags.includes('C'))
          problems.push(`the interpreter ${name} has the rights of the files that it is started for`);
      if (containerStorage !== 'none' && containerStorage !== '700')
        problems.push(
          `others can reach the files of containers: /var/lib/containers has the mode ${containerStorage}`,
        );
      return unless(problems, `all ${others.length} mounts next to the root are nosuid and nodev`);
    },
  }),
  defineClaim({
    id: 'root-verity',
    sentence:
      'The virtual machine uses the dm-verity feature to check specific block device, the underlying storage layer of the file system, and determine if it matches its expected configuration.',
    since: '0.1',
    looksAt:
      "The table and the status of the device below /, the kernel command line, and the root hashes of the machine's releases.",
    fooledBy: 'Root in the guest cannot change a verity table in use; a modified kernel can report any.',
    notStopped:
      'A block is checked when it is read, not before; a block that does not match stops the machine instead of being read.',
    guest: { verityTable, verityStatus, bootedHash, rootDevice, slot, bootedVerity },
    host: ['releases', 'configuration'],
    judge: (
      { verityTable, verityStatus, bootedHash, rootDevice, slot, bootedVerity: booted },
      { releases, configuration },
    ) => {
      const release = releases.find(({ manifest }) => manifest.root.rootHash === bootedHash);
      const number = partitionOf(slot);
      if (booted === 'off' && configuration.verity === 'off' && rootDevice.below === number)
        return off(`by choice: RootFS-${slot} is mounted without verification, and changes are not detected`);
      if (booted === 'off' || verityTable === 'none')
        return fail(`the root is not verified; verity is ${configuration.verity} from the next start`);
      const problems = [
        ...(rootDevice.name === 'root' ? [] : [`/ is on ${rootDevice.name}, not on the verified device`]),
        ...(rootDevice.below === number ? [] : [`it is on partition ${rootDevice.below}, not ${number}`]),
        ...(verityTable.rootHash === bootedHash ? [] : [`its root hash is ${verityTable.rootHash}`]),
        ...(release ? [] : ['no release of this machine has this root hash']),
        ...(verityStatus === 'V' ? [] : ['a block was invalid']),
        ...(verityTable.options.includes('panic_on_corruption')
          ? []
          : ['invalid blocks do not stop the machine']),
      ];
      if (problems.length > 0) problems.push(`the command line has the root hash ${bootedHash}`);
      const pending = configuration.verity === 'on' ? '' : '; disabled from the next start';
      return unless(
        problems,
        `RootFS-${slot} on dm-verity, root hash ${bootedHash} is that of release ${release?.manifest.version}${pending}`,
      );
    },
  }),
  defineClaim({
    id: 'root-signature',
    sentence:
      'dm-verity helps prevent persistent rootkits that can hold onto root privileges and compromise devices.',
    since: '0.1',
    looksAt: "The kernel's parameter for required signatures, and the table of the root's device.",
    fooledBy: 'Root in the guest can mount a file over the parameter; the table comes from the kernel.',
    notStopped: 'The owner of the release key can sign another root.',
    guest: {
      verityTable,
      bootedVerity,
      required: {
        name: 'verity-signatures',
        command: 'cat /sys/module/dm_verity/parameters/require_signatures',
        form: z.enum(['Y', 'N']),
      } satisfies Probe<'Y' | 'N'>,
    },
    host: ['configuration'],
    judge: ({ verityTable, bootedVerity: booted, required }, { configuration }) => {
      if (booted === 'off' && configuration.verity === 'off')
        return off('by choice: no root hash is required');
      const signed = verityTable !== 'none' && verityTable.options.includes('root_hash_sig_key_desc');
      return unless(
        [
          ...(required === 'Y' ? [] : ['the kernel accepts unsigned root hashes']),
          ...(signed ? [] : ['the root was opened without a signature']),
        ],
        'dm_verity.require_signatures is Y, and the root was opened with a signature',
      );
    },
  }),
] as const;

function partitionOf(slot: Slot): string {
  return String(slotPartition(slot, 'root').number);
}
