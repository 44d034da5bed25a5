import { guid } from '../../src/base/guid.ts';
import { serializeTable } from '../../src/disk/gpt.ts';
import { currentTable } from '../../src/disk/growth.ts';
import { bootEntry, setBootEntry, setBootOrder } from '../../src/firmware/boot.ts';
import { goodAnswers, goodFacts } from './audit-evidence.ts';
import { added, changed, type Sabotage } from './audit-sabotage.ts';

const { tables, slots, variables } = goodFacts;
const onVar = ['data-writable', 'overlay-etc', 'overlay-home', 'overlay-root'];

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
      by: 'mistake',
      host: otherTable((entry) => (entry.number === number ? { name: 'Other' } : {})),
      fails: [id],
    },
    {
      what: `${name} has another type`,
      by: 'attacker',
      host: otherTable((entry) =>
        entry.number === number ? { type: guid('11111111-2222-3333-4444-555555555555') } : {},
      ),
      fails: [id],
    },
    {
      what: `${name} is smaller in the guest`,
      by: 'attacker',
      guest: changed('partitions', line, line.replace(` ${size} `, ' 8 ')),
      fails: [id],
    },
    {
      what: `${name} is missing in the guest`,
      by: 'mistake',
      guest: changed('partitions', number === 8 ? `\n${line}` : `${line}\n`, ''),
      fails: ['partition-table', id],
    },
  ];
});

const other = { problem: 'other', why: 'a boot partition differs at byte 0 or after it' } as const;

/** What is in the partitions of the slots. */
const contentSabotages: readonly Sabotage[] = [
  {
    what: 'a loader overwritten with zeros',
    by: 'mistake',
    host: { slots: { ...slots, A: { ...slots.A, loader: { problem: 'empty' } } } },
    fails: ['partition-bootefia'],
  },
  {
    what: 'another boot image',
    by: 'attacker',
    host: { slots: { ...slots, A: { ...slots.A, boot: other } } },
    fails: ['partition-boota'],
  },
  {
    what: 'a root with one changed block',
    by: 'attacker',
    host: { slots: { ...slots, A: { ...slots.A, root: other } } },
    fails: ['partition-rootfs-a'],
  },
  {
    what: 'an inactive slot that holds what no release has',
    by: 'attacker',
    host: { slots: { ...slots, B: { loader: other, boot: other, root: other } } },
    fails: ['partition-bootefib', 'partition-bootb', 'partition-rootfs-b'],
  },
  {
    what: 'an empty slot in the boot order',
    by: 'mistake',
    host: { variables: setBootOrder(setBootEntry(variables, 'B', bootEntry('B')), ['A', 'B']) },
    fails: ['partition-bootefib', 'partition-bootb', 'partition-rootfs-b'],
  },
];

/** Partitions and what can be written. */
export const diskSabotages: readonly Sabotage[] = [
  {
    what: '/var elsewhere',
    by: 'attacker',
    guest: changed('mounts', 'ext4 /dev/vda8', 'ext4 /dev/vda9'),
    fails: onVar,
  },
  {
    what: '/var with devices',
    by: 'attacker',
    guest: changed('mounts', '/var rw,nosuid,nodev,', '/var rw,nosuid,'),
    fails: ['no-setuid-outside-root', ...onVar],
  },
  {
    what: '/var that cannot be written',
    by: 'mistake',
    guest: { 'write-var': { code: 1, text: 'mktemp: No space left on device' } },
    fails: ['data-writable'],
  },
  { what: 'a full /var', by: 'mistake', guest: { 'write-var': 'full' }, fails: ['data-writable'] },
  {
    what: 'something over /logs',
    by: 'attacker',
    guest: added('mounts', '99 29 0:99 / /logs rw,nosuid,nodev shared:99 - tmpfs tmpfs rw'),
    fails: ['logs-on-log'],
  },
  { what: 'the journal elsewhere', by: 'mistake', guest: { journal: '254:8' }, fails: ['logs-on-log'] },
  ...['etc', 'home', 'root'].map(
    (name): Sabotage => ({
      what: `changes of /${name} kept elsewhere`,
      by: 'attacker',
      guest: changed('mounts', `overlays/${name}/upper`, `elsewhere/${name}/upper`),
      fails: [`overlay-${name}`],
    }),
  ),
  {
    what: 'a file of /etc that did not last',
    by: 'mistake',
    guest: { 'first-written': { code: 1, text: 'cmp: /etc/machine-id: No such file or directory' } },
    fails: ['etc-lasts'],
  },
  ...['home', 'root'].map(
    (name): Sabotage => ({
      what: `a second mount over /${name}`,
      by: 'mistake',
      guest: added('mounts', `99 27 0:99 / /${name} rw,nosuid,nodev shared:99 - tmpfs tmpfs rw`),
      fails: ['root-not-shadowed', `overlay-${name}`],
    }),
  ),
  {
    what: '/etc without its overlay',
    by: 'mistake',
    guest: changed('mounts', '/ /etc rw', '/ /run/etc rw'),
    fails: ['overlay-etc'],
  },
  {
    what: 'a damaged backup table',
    by: 'mistake',
    host: { tables: { ...tables, backup: Buffer.alloc(tables.backup.length) } },
    fails: ['partition-table'],
  },
  {
    what: 'a partition more in one copy of the table',
    by: 'attacker',
    host: { tables: { ...tables, primary: otherTable(() => ({ name: 'Other' })).tables.primary } },
    fails: [
      'partition-table',
      ...currentTable(tables).partitions.map(({ name }) => `partition-${name.toLowerCase()}`),
    ],
  },
  ...partitionSabotages,
  ...contentSabotages,
];
