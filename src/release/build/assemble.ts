import { createHash } from 'node:crypto';
import { readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { hostArchitecture } from '../../base/architecture.ts';
import { failure } from '../../base/errors.ts';
import { digestOfFile } from '../../base/file-digest.ts';
import { run } from '../../base/process.ts';
import type { Progress } from '../../base/progress.ts';
import { formatSize, GiB } from '../../base/size.ts';
import type { Verity } from '../../disk/layout.ts';
import { measureProgram } from '../../firmware/efi-program.ts';
import { type FormattedImage, formatImage } from '../../verity/format.ts';
import { guestDistribution } from '../distribution.ts';
import { epoch as releaseEpoch } from '../epoch.ts';
import { type KeyPair, signManifest } from '../keys.ts';
import { program, type ReleaseManifest, sha256, uki } from '../manifest.ts';
import { listOverlayContent, type OverlayContent } from '../overlay-content.ts';
import { checkAgainstLock, type PackageLock } from '../package-lock.ts';
import { buildInitrd, takeInitrdPrograms } from './initrd.ts';
import { publicKeyOf, signPcr } from './pcr-signature.ts';
import { shippedPackages, withShipped } from './provenance.ts';
import * as recipe from './recipe.ts';
import { bootParts, finishRootTree, takeBootParts } from './root-tree.ts';
import { spdxDocument } from './sbom.ts';
import { assembleUki, signEfi, signIntegrityPolicies, signRootHash } from './uki.ts';
import { lockedVersion, nextVersion } from './version.ts';

/** The size of RootFS-A and RootFS-B; the release must fit with its verity tree. */
const rootPartition = 4 * GiB;

const ukiNames: Readonly<Record<Verity, string>> = { on: 'holdfast.efi', off: 'unverified.efi' };
const verities = ['on', 'off'] as const satisfies readonly Verity[];

/** The block size of data and digests. */
const blockSize = 4096;

export interface Assembly {
  /** An existing, empty directory for the release's files. */
  readonly directory: string;
  /** An existing directory for everything else. */
  readonly scratch: string;
  /** The project's `image/`. */
  readonly image: string;
  /** Of `PackageSources`. */
  readonly sources: readonly string[];
  /** The versions to install; undefined: the newest. */
  readonly lock: PackageLock | undefined;
  /** The time stamp of all content, in seconds since 1970. */
  readonly epoch: number;
  /** The versions of earlier builds, which the new one must differ from. */
  readonly earlier: readonly string[];
  readonly key: KeyPair;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Makes a release: packages, root image, boot images, manifest. Needs root. */
export async function assembleRelease(assembly: Assembly): Promise<ReleaseManifest> {
  const { progress, scratch, epoch } = assembly;
  const root = join(scratch, 'root');
  const parts = join(scratch, 'parts');
  const initrd = join(scratch, 'initrd-tree');

  const packages = await progress.step('Installing packages', (step) =>
    guestDistribution.installRoot(
      { ...assembly, pinned: assembly.lock?.packages, sourceDateEpoch: epoch },
      step,
    ),
  );
  if (assembly.lock) checkAgainstLock(packages, assembly.lock);
  const base = await guestDistribution.versionOf(root);
  const { text: version, build } = assembly.lock
    ? lockedVersion(base, epoch, assembly.lock.build)
    : nextVersion(base, epoch, assembly.earlier);
  const lock: PackageLock = {
    format: 1,
    suite: guestDistribution.release.codename,
    sourceDateEpoch: epoch,
    ...(build !== undefined && { build }),
    packages,
  };
  const { kernel, shipped } = await progress.step('Finishing the root', async () => {
    const owned = await guestDistribution.packageFiles(root);
    const taken = [...(await takeBootParts(root, parts)), ...(await takeInitrdPrograms(root, initrd))];
    await writeFile(join(root, 'usr/lib/os-release'), osRelease(version));
    const kernel = await finishRootTree(root, assembly.image, epoch);
    return { kernel, shipped: await shippedPackages(owned, root, taken, assembly.image) };
  });
  const uuid = uuidFrom(JSON.stringify(lock));
  const formatted = await progress.step('Making the root image and its verity tree', () =>
    makeRootImage(assembly, root, uuid),
  );
  return progress.step('Making the boot image', async () => {
    await makeBootImages(assembly, { root, parts, initrd, kernel, version, formatted });
    const overlays = await listOverlayContent(root);
    const marked = { ...lock, packages: packages.map((each) => withShipped(each, shipped)) };
    return writeManifest(assembly, marked, { version, kernel, uuid, formatted, overlays });
  });
}

async function makeRootImage(assembly: Assembly, root: string, uuid: string): Promise<FormattedImage> {
  const path = join(assembly.directory, 'root.img');
  // 4096-byte clusters: a change of one file changes no block of another, so deltas are small
  const options = ['-zlz4hc,3', `-C${blockSize}`, `-T${assembly.epoch}`, `-U${uuid}`, '--quiet'];
  await run('mkfs.erofs', [...options, path, root], { signal: assembly.signal });
  await truncate(path, Math.ceil((await stat(path)).size / blockSize) * blockSize);
  const formatted = await formatImage(path, uuid);
  const { size } = await stat(path);
  if (size > rootPartition) {
    throw failure('release.too-large', 'the release is too large', {
      why: `the root image has ${formatSize(size)}, and RootFS-A ${formatSize(rootPartition)}`,
      next: 'remove packages from src/debian/recipe.ts',
    });
  }
  return formatted;
}

/** The parts of the boot images: directories, and text. */
interface BootParts {
  readonly root: string;
  readonly parts: string;
  readonly initrd: string;
  readonly kernel: string;
  readonly version: string;
  readonly formatted: FormattedImage;
}

async function makeBootImages(
  { directory, scratch, image, epoch, key }: Assembly,
  boot: BootParts,
): Promise<void> {
  const { rootHash, dataSize } = boot.formatted;
  const initrd = await buildInitrd(boot.initrd, {
    ...{ root: boot.root, kernel: boot.kernel, image, scratch },
    rootHashSignature: await signRootHash(rootHash, key),
    integrityPolicies: await signIntegrityPolicies(join(image, 'ipe'), rootHash, key),
  });
  const root = [`holdfast.root=${rootHash}`, `holdfast.blocks=${dataSize / blockSize}`];
  for (const verity of verities) {
    const ukiParts = {
      stub: join(boot.parts, bootParts.stub),
      linux: join(boot.parts, bootParts.kernel),
      initrd,
      commandLine: [...recipe.commandLine, ...recipe.verityWords[verity], ...root].join(' '),
      osRelease: osRelease(boot.version),
      kernel: boot.kernel,
      publicKey: await publicKeyOf(key),
      epoch,
    };
    const { sections } = measureProgram(await readFile(await assembleUki(ukiParts, scratch)));
    const signed = await signPcr(sections, key);
    // no TPM unseals data for an unverified root; both boot images have the same layout
    const pcrSignature = verity === 'on' ? signed : '{}'.padEnd(signed.length);
    const uki = await assembleUki({ ...ukiParts, pcrSignature }, scratch);
    await signEfi(uki, join(directory, ukiNames[verity]), key, epoch);
  }
  await signEfi(join(boot.parts, bootParts.loader), join(directory, 'loader.efi'), key, epoch);
}

async function writeManifest(
  { directory, epoch, key }: Assembly,
  lock: PackageLock,
  facts: {
    version: string;
    kernel: string;
    uuid: string;
    formatted: FormattedImage;
    overlays: OverlayContent;
  },
): Promise<ReleaseManifest> {
  const { version, kernel, uuid, formatted, overlays } = facts;
  const text = (value: object) => `${JSON.stringify(value, null, 1)}\n`;
  const parts = {
    root: { ...(await describe(join(directory, 'root.img'))), ...formatted, uuid },
    uki: await describeUki(join(directory, ukiNames.on)),
    unverifiedUki: await describeUki(join(directory, ukiNames.off)),
    loader: await describeLoader(join(directory, 'loader.efi')),
  };
  const bill = spdxDocument(lock, version, Object.values(parts));
  await writeFile(join(directory, 'sbom.spdx.json'), text(bill));
  await writeFile(join(directory, 'packages.json'), text(lock));
  await writeFile(join(directory, 'overlays.json'), text(overlays));
  const manifest: ReleaseManifest = {
    format: 1,
    version,
    architecture: hostArchitecture.name,
    epoch: releaseEpoch,
    sourceDateEpoch: epoch,
    kernel,
    ...parts,
    sbom: await describe(join(directory, 'sbom.spdx.json')),
    packages: await describe(join(directory, 'packages.json')),
    overlays: await describe(join(directory, 'overlays.json')),
  };
  const bytes = Buffer.from(text(manifest));
  await writeFile(join(directory, 'release.json'), bytes);
  await writeFile(join(directory, 'release.json.sig'), await signManifest(bytes, key));
  return manifest;
}

/** Returns os-release(5). `IMAGE_VERSION` distinguishes releases. */
function osRelease(version: string): string {
  const base = guestDistribution.release;
  return [
    `PRETTY_NAME="Holdfast (${base.title})"`,
    'NAME="Holdfast"',
    'ID=holdfast',
    `ID_LIKE=${base.id}`,
    `VERSION_ID="${base.version}"`,
    `VERSION_CODENAME=${base.codename}`,
    'IMAGE_ID=holdfast',
    `IMAGE_VERSION=${version}`,
    '',
  ].join('\n');
}

/** Returns a file's entry in the manifest. */
async function describe(
  path: string,
): Promise<{ name: string; size: number; sha256: ReleaseManifest['uki']['sha256'] }> {
  const digest = sha256.parse(await digestOfFile(path));
  return { name: basename(path), size: (await stat(path)).size, sha256: digest };
}

async function describeUki(path: string): Promise<ReleaseManifest['uki']> {
  const { authenticode, sections } = measureProgram(await readFile(path));
  return uki.parse({ ...(await describe(path)), authenticode, sections });
}

async function describeLoader(path: string): Promise<ReleaseManifest['loader']> {
  const { authenticode } = measureProgram(await readFile(path));
  return program.parse({ ...(await describe(path)), authenticode });
}

/** Returns a UUID (RFC 9562, version 8) that depends on the text only. */
function uuidFrom(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
