import { formatSize } from '../../base/size.ts';
import { parseTable, type TableEntry } from '../../disk/gpt.ts';
import { currentTable } from '../../disk/growth.ts';
import {
  layout,
  type PartitionName,
  partitionNamed,
  type Slot,
  sectorSize,
  slotPartitions,
} from '../../disk/layout.ts';
import { readBootState } from '../../firmware/boot.ts';
import { type Claim, defineClaim, unless } from '../claim.ts';
import { lines, matching, type Probe } from '../guest-probe.ts';
import type { HostFactTypes } from '../host-facts.ts';

/** A partition as the guest's kernel reports it, in bytes. */
interface KernelPartition {
  readonly number: number;
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

/** sysfs counts in sectors of 512 bytes, whatever the disk's are (kernel documentation, ABI/stable/sysfs-block). */
const kernelPartitions: Probe<readonly KernelPartition[]> = {
  name: 'partitions',
  command: `for directory in /sys/class/block/vda*; do
    [ -e "$directory/partition" ] || continue
    name=; while IFS== read -r key value; do if [ "$key" = PARTNAME ]; then name=$value; fi; done <"$directory/uevent"
    echo "$(<"$directory/partition") $(<"$directory/start") $(<"$directory/size") $name"
  done`,
  form: lines(
    matching(/^(\d{1,3}) (\d{1,14}) (\d{1,14}) (.{0,72})$/, ([number, start, size, name = '']) => ({
      number: Number(number),
      name,
      offset: Number(start) * sectorSize,
      size: Number(size) * sectorSize,
    })),
  ),
};

/** Rows of the document's table. */
const rows: Readonly<Record<PartitionName, string>> = {
  BootEFIA: 'BootEFIA 8 MB Firmware partition A for future GRUBless boot',
  BootA: 'BootA 192 MB Contains the bootloader for A partition',
  'RootFS-A': 'RootFS A 4 GB One of two active/passive partitions holding the root file system',
  BootEFIB: 'BootEFIB 8 MB Firmware partition B for future GRUBless boot',
  BootB: 'BootB 192 MB Contains the bootloader for B partition',
  'RootFS-B': 'RootFS B 4 GB One of two active/passive partitions holding the root file system',
  Log: 'Log 1 GB or 6 GB Logs specific partition mounted under /logs',
  Data: 'Data 2 GB to 2 TB Stateful partition for storing persistent data across updates. Expandable according to the deployment configuration',
};

/** Returns how a partition is not where the layout places it, and what is right about it. */
function placeOf(
  name: PartitionName,
  kernel: readonly KernelPartition[],
  { configuration, tables }: Pick<HostFactTypes, 'configuration' | 'tables'>,
): { readonly problems: string[]; readonly evidence: string } {
  const expected = partitionNamed(layout(configuration), name);
  const { number, offset, size, type, uuid } = expected;
  const entry = currentTable(tables).partitions.find((each) => each.number === number);
  const seen = kernel.find((each) => each.number === number);
  const problems: string[] = [];
  if (!entry) problems.push(`the disk has no partition ${number}`);
  else problems.push(...differences(entry, expected, 'the disk'));
  if (entry && (entry.type !== type || entry.uuid !== uuid))
    problems.push(`its type is ${entry.type} and its PARTUUID ${entry.uuid}`);
  if (!seen) problems.push(`the guest has no partition ${number}`);
  else problems.push(...differences(seen, expected, 'the guest'));
  const evidence = `partition ${number}, ${formatSize(size)} at ${formatSize(offset)}, type ${type}, on the disk and in the guest`;
  return { problems, evidence };
}

const tablesAndKernel =
  "Both partition tables in the host's disk file, and the partitions of the guest's kernel";
const byHost =
  'Root on the host; for the partitions of the kernel, root in the guest, who can mount files over sysfs';

function partitionClaim(name: 'Log' | 'Data'): Claim {
  return defineClaim({
    id: `partition-${name.toLowerCase()}`,
    sentence: rows[name],
    since: '0.1',
    looksAt: `${tablesAndKernel}.`,
    fooledBy: `${byHost}.`,
    notStopped: 'Root in the guest can write to the disk directly.',
    guest: { kernelPartitions },
    host: ['configuration', 'tables'],
    judge: (guest, facts) => {
      const { problems, evidence } = placeOf(name, guest.kernelPartitions, facts);
      return unless(problems, evidence);
    },
  });
}

/** The claim about a partition that holds a part of a release. */
function slotPartitionClaim(slot: Slot, part: keyof (typeof slotPartitions)[Slot]): Claim {
  const name = slotPartitions[slot][part];
  return defineClaim({
    id: `partition-${name.toLowerCase()}`,
    sentence: rows[name],
    since: '0.1',
    looksAt: `${tablesAndKernel}; every byte of it, which the host compares with the releases of the machine, without the guest.`,
    fooledBy: `${byHost}, and whose writes the host sees only when they were flushed.`,
    notStopped:
      'Root in the guest can write to the disk directly. What follows the end of a release on its partition is not compared, and not used.',
    guest: { kernelPartitions },
    host: ['configuration', 'tables', 'slots', 'variables'],
    judge: (guest, facts) => {
      const { problems, evidence } = placeOf(name, guest.kernelPartitions, facts);
      const content = facts.slots[slot][part];
      const { order, next } = readBootState(facts.variables);
      if ('version' in content) return unless(problems, `${evidence}; content of release ${content.version}`);
      const isUsed = order.includes(slot) || next === slot;
      const isWritten = content.problem === 'other' && facts.configuration.updates.length > 0;
      if (isUsed || !(content.problem === 'empty' || isWritten))
        problems.push(
          content.problem === 'empty' ? 'it is empty' : `no release has its content: ${content.why}`,
        );
      const state = isWritten ? 'an update was begun' : 'it is empty';
      return unless(problems, `${evidence}; ${state}, and nothing starts slot ${slot}`);
    },
  });
}

function differences(
  { name, offset, size }: Pick<TableEntry, 'name'> & { readonly offset: number; readonly size: number },
  expected: Pick<TableEntry, 'number' | 'name' | 'offset' | 'size'>,
  whose: string,
): string[] {
  if (name === expected.name && offset === expected.offset && size === expected.size) return [];
  return [`${whose} has '${name}' as ${expected.number}, ${formatSize(size)} at ${formatSize(offset)}`];
}

export const diskClaims = [
  defineClaim({
    id: 'partition-table',
    sentence:
      'The partition layout represents the logical disk size and does not indicate the physical space the virtual machine will occupy on the host OS disk.',
    since: '0.1',
    looksAt: "Both tables in the host's disk file, and the partitions of the guest's kernel.",
    fooledBy:
      'Root on the host. The guest cannot change what the host reads, except by writing to the disk, which the claim detects.',
    notStopped: 'The host is trusted about its own files.',
    guest: { kernelPartitions },
    host: ['configuration', 'tables'],
    judge: (guest, { configuration, tables }) => {
      const expected = layout(configuration);
      const copies = [parseTable('primary', tables.primary), parseTable('backup', tables.backup)];
      const counts = [...copies.map(({ partitions }) => partitions.length), guest.kernelPartitions.length];
      const problems = counts.some((count) => count !== expected.length)
        ? [`there are ${counts.join(', ')} partitions (primary table, backup table, guest) instead of 8`]
        : [];
      const [primary, backup] = copies.map((table) => JSON.stringify(table));
      if (primary !== backup) problems.push('the primary and the backup partition table differ');
      return unless(problems, `both partition tables are intact and have ${expected.length} partitions`);
    },
  }),
  ...(['A', 'B'] as const).flatMap((slot) =>
    (['loader', 'boot', 'root'] as const).map((part) => slotPartitionClaim(slot, part)),
  ),
  partitionClaim('Log'),
  partitionClaim('Data'),
] as const;
