import { createHash, randomUUID } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, open, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { exists, makePrivateDirectory } from '../../src/base/files.ts';
import { guid } from '../../src/base/guid.ts';
import { run } from '../../src/base/process.ts';
import { type Bytes, GiB, KiB, MiB } from '../../src/base/size.ts';
import { channelKeyFiles, makeChannelKeys } from '../../src/channel/keys.ts';
import { packages, suite } from '../../src/debian/recipe.ts';
import { findSources } from '../../src/debian/sources.ts';
import { serializeTable, type TableEntry } from '../../src/disk/gpt.ts';
import { sectorSize } from '../../src/disk/layout.ts';
import { setBootEntry, setBootOrder, setNoBootMenu } from '../../src/firmware/boot.ts';
import { parseVariableStore, serializeVariableStore } from '../../src/firmware/store.ts';
import { platform } from '../../src/hypervisor/qemu/platforms.ts';

/** The peer of the boot benchmark: a plain installation of Debian. */
export interface PlainDebian {
  /** Raw and sparse; must not be written. */
  readonly disk: string;
  /** UEFI variable store; must not be written. */
  readonly variables: string;
  /** Keys of both ends, as for a Holdfast machine; the host's key logs in as root. */
  readonly secrets: string;
}

/** Packages that only Holdfast's boot image needs. */
const notPlain: readonly string[] = ['busybox-static', 'keyutils'];
/** Packages with which a plain Debian boots. */
const plainBoot: readonly string[] = ['initramfs-tools', 'systemd-boot'];
const peerPackages = [...packages.filter((name) => !notPlain.includes(name)), ...plainBoot];

const esp: TableEntry = {
  number: 1,
  name: 'esp',
  type: guid('c12a7328-f81f-11d2-ba4b-00a0c93ec93b'),
  uuid: guid('3f0c7f0e-52f5-4d0b-9a9d-5be1c4b8f101'),
  offset: MiB,
  size: (512 * MiB) as Bytes,
};
const root: TableEntry = {
  number: 2,
  name: 'root',
  type: guid('4f68bce3-e8cd-4db1-96e7-fbcaf984b709'),
  uuid: guid('3f0c7f0e-52f5-4d0b-9a9d-5be1c4b8f102'),
  offset: (esp.offset + esp.size) as Bytes,
  size: (8 * GiB) as Bytes,
};
/** An empty slot, for the update benchmark. */
const slot: TableEntry = {
  number: 3,
  name: 'slot',
  type: root.type,
  uuid: guid('3f0c7f0e-52f5-4d0b-9a9d-5be1c4b8f103'),
  offset: (root.offset + root.size) as Bytes,
  size: GiB as Bytes,
};
const partitions = [esp, root, slot];
const diskSize = (slot.offset + slot.size + MiB) as Bytes;

const loaderPath = '\\EFI\\systemd\\systemd-bootx64.efi';

/** Packages and files that a benchmark adds. */
export interface Additions {
  readonly packages: readonly string[];
  /** Text by path in the root. */
  readonly files: Readonly<Record<string, string>>;
}

/** Files of the root, as after an installation. */
const rootFiles: Readonly<Record<string, string>> = {
  'etc/fstab': `PARTUUID=${root.uuid} / ext4 defaults 0 1\n`,
  'etc/hostname': 'debian\n',
  'etc/hosts': '127.0.0.1 localhost\n127.0.1.1 debian\n',
  'etc/resolv.conf': 'nameserver 10.0.2.3\n',
  'etc/systemd/network/20-wired.network': '[Match]\nType=ether\n\n[Network]\nDHCP=yes\n',
};

/** Files of the EFI system partition (UAPI Boot Loader Specification, type #1). */
const espFiles: Readonly<Record<string, string>> = {
  'loader.conf': 'timeout 0\n',
  'debian.conf': [
    'title Debian',
    'linux /debian/linux',
    'initrd /debian/initrd.img',
    `options root=PARTUUID=${root.uuid} ro quiet console=ttyS0`,
    '',
  ].join('\n'),
};

/**
 * Creates a plain Debian, or returns the cached one: the packages of the release on ext4, with systemd-boot and
 * initramfs-tools, without Secure Boot. Needs root.
 * @param cache a persistent directory.
 * @param kernel kernel version of the compared release.
 */
export async function plainDebian(
  cache: string,
  kernel: string,
  additions: Additions = { packages: [], files: {} },
): Promise<PlainDebian> {
  const what = [kernel, ...peerPackages, JSON.stringify([rootFiles, espFiles, partitions, additions])];
  const digest = createHash('sha256').update(what.join('\n')).digest('hex').slice(0, 16);
  const directory = join(cache, `plain-debian-${digest}`);
  if (!(await exists(directory))) await makePlainDebian(directory, additions);
  return plainDebianIn(directory);
}

function plainDebianIn(directory: string): PlainDebian {
  return {
    disk: join(directory, 'disk.raw'),
    variables: join(directory, 'variables.fd'),
    secrets: join(directory, 'secrets'),
  };
}

async function makePlainDebian(directory: string, additions: Additions): Promise<void> {
  console.log(`making the plain Debian in ${directory}`);
  await makePrivateDirectory(dirname(directory));
  const scratch = await mkdtemp(join(dirname(directory), '.plain-debian-'));
  try {
    const draft = join(scratch, 'draft');
    await makePrivateDirectory(draft);
    const parts = plainDebianIn(draft);
    await makeChannelKeys(parts.secrets);
    const tree = join(scratch, 'root');
    await makeTree(tree, scratch, parts.secrets, additions);
    await makeDisk(parts.disk, tree, scratch);
    await writeFile(parts.variables, await variables());
    await rename(draft, directory);
  } finally {
    await rm(scratch, { recursive: true });
  }
}

async function makeTree(tree: string, scratch: string, secrets: string, additions: Additions): Promise<void> {
  const { lines } = await findSources(undefined, scratch);
  const options = ['--mode=root', '--variant=essential', '--format=directory'];
  const include = [
    '--aptopt=APT::Install-Recommends "false"',
    `--include=${[...peerPackages, ...additions.packages].join(',')}`,
  ];
  await run('mmdebstrap', [...options, ...include, suite, tree, ...lines]);
  const files = {
    ...rootFiles,
    ...additions.files,
    'etc/machine-id': `${randomUUID().replaceAll('-', '')}\n`,
  };
  for (const [path, text] of Object.entries(files)) {
    await rm(join(tree, path), { force: true });
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeFile(join(tree, path), text);
  }
  const keys = channelKeyFiles(secrets);
  await makePrivateDirectory(join(tree, 'root/.ssh'));
  await copyFile(keys.identityPublic, join(tree, 'root/.ssh/authorized_keys'));
  await copyFile(keys.hostKey, join(tree, 'etc/ssh/ssh_host_ed25519_key'));
  await copyFile(keys.hostKeyPublic, join(tree, 'etc/ssh/ssh_host_ed25519_key.pub'));
  await run('systemctl', [`--root=${tree}`, 'enable', 'systemd-networkd.service', 'ssh.service']);
}

async function makeDisk(disk: string, tree: string, scratch: string): Promise<void> {
  const table = serializeTable({ diskGuid: guid(randomUUID()), diskSize, partitions });
  await writeFile(disk, table.primary);
  await truncate(disk, diskSize);
  const file = await open(disk, 'r+');
  try {
    await file.write(table.backup, 0, table.backup.length, diskSize - table.backup.length);
  } finally {
    await file.close();
  }
  // a new file reads as zeros, so the guest need not zero anything in the background
  const place = `offset=${root.offset},assume_storage_prezeroed=1`;
  await run('mkfs.ext4', ['-q', '-F', '-d', tree, '-E', place, disk, `${root.size / KiB}k`]);
  await run('mkfs.fat', [
    ...['-F', '32', '-s', '8', '-n', 'ESP', '--offset', String(esp.offset / sectorSize)],
    ...[disk, String(esp.size / KiB)],
  ]);
  const drive = ['-i', `${disk}@@${esp.offset}`];
  await run('mmd', [...drive, '::/EFI', '::/EFI/systemd', '::/debian', '::/loader', '::/loader/entries']);
  for (const [name, text] of Object.entries(espFiles)) await writeFile(join(scratch, name), text);
  const copies: readonly (readonly [string, string])[] = [
    [join(tree, 'usr/lib/systemd/boot/efi/systemd-bootx64.efi'), loaderPath.replaceAll('\\', '/')],
    [join(tree, 'vmlinuz'), '/debian/linux'],
    [join(tree, 'initrd.img'), '/debian/initrd.img'],
    [join(scratch, 'loader.conf'), '/loader/loader.conf'],
    [join(scratch, 'debian.conf'), '/loader/entries/debian.conf'],
  ];
  for (const [source, target] of copies) await run('mcopy', [...drive, source, `::${target}`]);
}

/** Returns a variable store with the boot entry of `bootctl install` and no wait for a key. */
async function variables(): Promise<Buffer> {
  const { number, offset, size, uuid } = esp;
  const store = setBootEntry(parseVariableStore(await readFile(platform.variablesTemplate)), 'A', {
    description: 'Linux Boot Manager',
    partition: { number, firstSector: BigInt(offset / sectorSize), sectors: BigInt(size / sectorSize), uuid },
    file: loaderPath,
  });
  return serializeVariableStore(setNoBootMenu(setBootOrder(store, ['A'])));
}
