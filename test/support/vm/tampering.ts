import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../../src/base/process.ts';
import { sectorSize, slotPartition, ukiPaths } from '../../../src/disk/layout.ts';
import { bootEntry, setBootEntry } from '../../../src/firmware/boot.ts';
import { vendors } from '../../../src/firmware/names.ts';
import { savedPath } from '../../../src/firmware/saved-store.ts';
import {
  deleteVariable,
  findVariable,
  setVariables,
  type VariableStore,
} from '../../../src/firmware/store.ts';
import { readVariableStore, writeVariableStore } from '../../../src/firmware/store-file.ts';
import { imageSize, readImage, writeImage } from '../../../src/hypervisor/qemu/disk-image.ts';
import type { MachinePaths } from '../../../src/machine/paths.ts';
import { keyPair } from '../../../src/release/keys.ts';
import { releaseManifest } from '../../../src/release/manifest.ts';
import { home } from './machine.ts';

/** Undoes the change. */
export type Undo = () => Promise<void>;

const block = 4096;

/** Changes to what a machine that is off would start. */
export function tamperingWith(files: MachinePaths, release: string) {
  const uki = { on: join(release, 'holdfast.efi'), off: join(release, 'unverified.efi') };
  const { offset: boot, size: bootSize } = slotPartition('A', 'boot');
  const { offset: root } = slotPartition('A', 'root');

  /** Flips one bit of the disk. */
  const flip = async (offset: number): Promise<Undo> => {
    const aligned = offset - (offset % block);
    const before = await readImage(files.disk, { offset: aligned, length: block });
    const changed = Buffer.from(before);
    changed[offset - aligned] = (before[offset - aligned] ?? 0) ^ 1;
    await writeImage(files.disk, aligned, changed);
    return () => writeImage(files.disk, aligned, before);
  };
  /** Finds the first boot image on the disk, where its blocks are contiguous. */
  const ukiStart = async (): Promise<number> => {
    const wanted = await readFile(uki.on);
    const partition = await readImage(files.disk, { offset: boot, length: bootSize });
    for (let at = partition.indexOf(wanted.subarray(0, block)); at >= 0; ) {
      if (partition.subarray(at, at + wanted.length).equals(wanted)) return boot + at;
      at = partition.indexOf(wanted.subarray(0, block), at + 1);
    }
    throw new Error('the boot image is not on the disk');
  };
  const flipUki = async (
    marker: string | Buffer,
    beyond: number,
    after: string | Buffer = '',
  ): Promise<Undo> => {
    const bytes = await readFile(uki.on);
    const at = bytes.indexOf(marker, bytes.indexOf(after));
    assert.notEqual(at, -1, `${marker} is in the boot image`);
    return flip((await ukiStart()) + at + beyond);
  };
  /** Also removes the saved copy, which would replace a torn store. */
  const setVariablesAside = async (): Promise<Undo> => {
    const untouched = `${files.variables}.untouched`;
    await copyFile(files.variables, untouched);
    await rm(savedPath(files.variables), { force: true });
    return () => rename(untouched, files.variables);
  };
  const changeVariables = async (change: (store: VariableStore) => VariableStore): Promise<Undo> => {
    const undo = await setVariablesAside();
    await writeVariableStore(files.variables, change(await readVariableStore(files.variables)));
    return undo;
  };
  const flipVariable = (vendor: typeof vendors.global, name: string, at: number): Promise<Undo> =>
    changeVariables((store) => {
      const variable = findVariable(store, vendor, name);
      assert.ok(variable);
      const data = Buffer.from(variable.data);
      data[at] = (data[at] ?? 0) ^ 1;
      return setVariables(store, { ...variable, data });
    });
  const loseVariables = (): Promise<Undo> =>
    changeVariables((store) =>
      ['BootOrder', 'Boot000A'].reduce((rest, name) => deleteVariable(rest, vendors.global, name), store),
    );
  /** Replaces the first boot image with another of the same size. */
  const replaceUki = async (other: Buffer): Promise<Undo> => {
    const start = await ukiStart();
    const on = await readFile(uki.on);
    assert.equal(other.length, on.length, 'one file fits into the place of the other');
    await writeImage(files.disk, start, padded(other));
    return () => writeImage(files.disk, start, padded(on));
  };
  const flipLoader = async (): Promise<Undo> => {
    const { offset, size } = slotPartition('A', 'loader');
    const loader = await readFile(join(release, 'loader.efi'));
    const at = (await readImage(files.disk, { offset, length: size })).indexOf(
      loader.subarray(0, sectorSize),
    );
    assert.notEqual(at, -1);
    return flip(offset + at + Math.floor(loader.length / 2));
  };
  const zstdFrame = Buffer.from('28b52ffd', 'hex');
  const commandLine = 'dm_verity.require_signatures=1';

  return {
    // the volume name in EROFS's superblock, which is not used
    rootData: () => flip(root + 1024 + 64),
    /** The block whose digest is the root hash: it follows the data and the superblock. */
    verityTree: async () => {
      const text = await readFile(join(release, 'release.json'), 'utf8');
      return flip(root + releaseManifest.parse(JSON.parse(text)).root.dataSize + block + 100);
    },
    kernel: () => flipUki('HdrS', 1_000_000),
    commandLine: () => flipUki(commandLine, commandLine.length - 1),
    initrd: () => flipUki(zstdFrame, 1_000_000, commandLine),
    loader: flipLoader,
    loaderAndLostVariables: both(flipLoader, loseVariables),
    // byte 40: first usable block (UEFI specification 2.10, table 5.5)
    primaryTable: () => flip(sectorSize + 40),
    backupTable: async () => flip((await imageSize(files.disk)) - sectorSize + 40),
    bootOrder: () => flipVariable(vendors.global, 'BootOrder', 0),
    // in the certificate, after 28 bytes of list header and 16 of owner
    allowedKeys: () => flipVariable(vendors.imageSecurity, 'db', 300),
    variablesHeader: async () => {
      const undo = await setVariablesAside();
      const bytes = await readFile(files.variables);
      bytes[40] = (bytes[40] ?? 0) ^ 1; // its signature
      await writeFile(files.variables, bytes);
      return undo;
    },
    /** As root in the guest could, to start without verity. */
    bootEntryWithoutVerity: () =>
      changeVariables((store) => setBootEntry(store, 'A', bootEntry('A', ukiPaths.off))),
    /** The same without a change to the boot entry. */
    ukiWithoutVerity: async () => replaceUki(await readFile(uki.off)),
    /** A boot image that the firmware starts but no release contains: changed and signed again with the release key. */
    otherCommandLine: async () => replaceUki(await signedAgain(uki.on, ' panic=5 ', ' panic=6 ')),
    otherStub: async () => replaceUki(await signedAgain(uki.on, '#### LoaderInfo: ', '#### loaderInfo: ')),
    secureBootOff: () => flipVariable(vendors.secureBootEnable, 'SecureBootEnable', 0),
  } as const satisfies Readonly<Record<string, () => Promise<Undo>>>;
}

export type Tampering = keyof ReturnType<typeof tamperingWith>;

function both(...changes: readonly (() => Promise<Undo>)[]): () => Promise<Undo> {
  return async () => {
    const undone: Undo[] = [];
    for (const change of changes) undone.push(await change());
    return async () => {
      for (const undo of undone.reverse()) await undo();
    };
  };
}

/** Pads to whole blocks, as the file system does. */
function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((block - (bytes.length % block)) % block)]);
}

/** Makes a boot image with changed bytes, signed with the release key as if it were part of a release. */
async function signedAgain(path: string, from: string, to: string): Promise<Buffer> {
  const scratch = await mkdtemp(join(tmpdir(), 'holdfast-uki-'));
  try {
    const bytes = await readFile(path);
    const at = bytes.indexOf(from);
    assert.notEqual(at, -1, `${from} is in the boot image`);
    bytes.write(to, at);
    const [changed, signed] = [join(scratch, 'changed.efi'), join(scratch, 'signed.efi')];
    await writeFile(changed, bytes);
    await run('sbattach', ['--remove', changed]);
    const { privateKey, certificate } = await keyPair(home.keys, 'release');
    await run('sbsign', ['--key', privateKey, '--cert', certificate, '--output', signed, changed]);
    return await readFile(signed);
  } finally {
    await rm(scratch, { recursive: true });
  }
}
