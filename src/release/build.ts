import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { failure } from '../base/errors.ts';
import { exists, makePrivateFolder, syncFolder } from '../base/files.ts';
import { run } from '../base/process.ts';
import type { Progress } from '../base/progress.ts';
import { GiB } from '../base/size.ts';

import { formatImage } from '../verity/format.ts';
import { buildInitrd, takeInitrdPrograms } from './initrd.ts';
import { keyPair, signManifest } from './keys.ts';
import { type ReleaseManifest, releaseManifest, sha256 } from './manifest.ts';
import { type PackageLock, packageLock } from './packages.ts';
import * as recipe from './recipe.ts';
import { finishRootTree, installPackages, takeBootParts } from './root-tree.ts';
import { spdxDocument } from './sbom.ts';
import { findSources, type Sources } from './sources.ts';
import { digestInputs } from './tree.ts';
import { assembleUki, signEfi, signRootHash } from './uki.ts';

/** RootFS-A and -B are this large; the release must fit with its verity tree. */
const rootPartition = 4 * GiB;

export interface BuildRequest {
  /** The release's folder: made, or replaced whole. */
  readonly out: string;
  /** HOLDFAST_HOME/keys. */
  readonly keys: string;
  /** A folder for the build's own files. */
  readonly cache: string;
  /** The project's own folder: holds `image/` and `src/`. */
  readonly project: string;
  readonly mirror: string | undefined;
  /** A `packages.json`: build from exactly these versions. */
  readonly lock: string | undefined;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface BuildResult {
  readonly manifest: ReleaseManifest;
  /** False: nothing had changed since the release in `out` was built. */
  readonly built: boolean;
}

/**
 * Builds a release, or finds that the one in `out` is already what would be built. Needs root (mmdebstrap, chroot).
 * @throws HoldfastError `release.root` without root, `release.lock`, `release.too-large`, and what the tools say.
 */
export async function buildRelease(request: BuildRequest): Promise<BuildResult> {
  const { progress, out } = request;
  await makePrivateFolder(request.cache);
  const scratch = await mkdtemp(join(request.cache, 'build-'));
  try {
    const lock = request.lock === undefined ? undefined : await readLock(request.lock);
    const key = await keyPair(request.keys, 'release');
    const [sources, inputs] = await progress.step('Looking for changes', async () => {
      const found = await findSources(request.mirror, scratch);
      return [
        found,
        await inputDigest(request, found, lock, await readFile(key.certificate, 'utf8')),
      ] as const;
    });
    const unchanged = await findUnchanged(out, inputs);
    if (unchanged) return { manifest: unchanged, built: false };
    if (process.getuid?.() !== 0) {
      throw failure('release.root', 'a release can only be built by root', {
        why: 'its files belong to many users, and programs of the new system run while it is put together',
        next: 'run it with sudo, or build elsewhere and use `holdfast deploy --release DIR`',
      });
    }
    const folder = join(scratch, 'release');
    await mkdir(folder);
    const manifest = await buildInto(folder, scratch, request, sources, lock);
    await writeFile(join(folder, 'inputs'), `${inputs}\n`);
    await replaceFolder(folder, out);
    return { manifest, built: true };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function buildInto(
  folder: string,
  scratch: string,
  request: BuildRequest,
  sources: Sources,
  requestedLock: PackageLock | undefined,
): Promise<ReleaseManifest> {
  const { progress, signal } = request;
  const image = join(request.project, 'image');
  const root = join(scratch, 'root');
  const parts = join(scratch, 'parts');
  const initrdTree = join(scratch, 'initrd-tree');
  const epoch = requestedLock?.sourceDateEpoch ?? sources.state?.date ?? Math.floor(Date.now() / 1000);

  const installed = await progress.step('Installing packages', (step) =>
    installPackages(
      { scratch, sources: sources.lines, lock: requestedLock, sourceDateEpoch: epoch, signal },
      step,
    ),
  );
  const lock: PackageLock = { format: 1, suite: recipe.suite, sourceDateEpoch: epoch, packages: installed };
  const debian = (await readFile(join(root, 'etc/debian_version'), 'utf8')).trim();
  const day = new Date(epoch * 1000).toISOString().slice(0, 10).replaceAll('-', '');
  const version = `${debian}.${day}`;

  const kernel = await progress.step('Finishing the root', async () => {
    await takeBootParts(root, parts);
    await takeInitrdPrograms(root, initrdTree);
    await writeFile(join(root, 'usr/lib/os-release'), osRelease(version));
    return finishRootTree(root, image, epoch);
  });

  const uuid = uuidFrom(JSON.stringify(lock));
  const rootImage = join(folder, 'root.img');
  const { dataSize, rootHash } = await progress.step(
    'Making the root image and its verity tree',
    async (step) => {
      await run('mkfs.erofs', ['-zlz4hc', '-C4096', `-T${epoch}`, `-U${uuid}`, '--quiet', rootImage, root], {
        signal,
      });
      const size = Math.ceil((await stat(rootImage)).size / 4096) * 4096;
      await truncate(rootImage, size);
      step.note('verity tree');
      return formatImage(rootImage, uuid);
    },
  );
  if ((await stat(rootImage)).size > rootPartition) {
    throw failure('release.too-large', 'the release does not fit', {
      why: `the root image has ${(await stat(rootImage)).size} bytes, RootFS-A and -B ${rootPartition}`,
      next: 'take packages out of src/release/recipe.ts',
    });
  }

  return progress.step('Signing', async () => {
    const key = await keyPair(request.keys, 'release');
    const rootHashSignature = await signRootHash(rootHash, key);
    const initrdRequest = { root, kernel, image, rootHashSignature, scratch, sourceDateEpoch: epoch };
    const words = [...recipe.commandLine, `holdfast.root=${rootHash}`, `holdfast.blocks=${dataSize / 4096}`];
    const unsigned = await assembleUki(
      {
        stub: join(parts, 'linuxx64.efi.stub'),
        linux: join(parts, 'linux'),
        initrd: await buildInitrd(initrdTree, initrdRequest),
        commandLine: words.join(' '),
        osRelease: osRelease(version),
        kernel,
        epoch,
      },
      scratch,
    );
    await signEfi(unsigned, join(folder, 'holdfast.efi'), key, epoch);
    await signEfi(join(parts, 'systemd-bootx64.efi'), join(folder, 'loader.efi'), key, epoch);
    await writeFile(
      join(folder, 'sbom.spdx.json'),
      `${JSON.stringify(spdxDocument(lock, version), null, 1)}\n`,
    );
    await writeFile(join(folder, 'packages.json'), `${JSON.stringify(lock, null, 1)}\n`);
    const manifest: ReleaseManifest = {
      format: 1,
      version,
      architecture: 'x86-64',
      sourceDateEpoch: epoch,
      kernel,
      root: { ...(await describe(rootImage)), dataSize, rootHash, uuid },
      uki: await describe(join(folder, 'holdfast.efi')),
      loader: await describe(join(folder, 'loader.efi')),
      sbom: await describe(join(folder, 'sbom.spdx.json')),
      packages: await describe(join(folder, 'packages.json')),
    };
    const bytes = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
    await writeFile(join(folder, 'release.json'), bytes);
    await writeFile(join(folder, 'release.json.sig'), await signManifest(bytes, key));
    return manifest;
  });
}

/** os-release(5). `IMAGE_VERSION` is what tells one release from the next. */
function osRelease(version: string): string {
  return [
    'PRETTY_NAME="Holdfast (Debian 13)"',
    'NAME="Holdfast"',
    'ID=holdfast',
    'ID_LIKE=debian',
    'VERSION_ID="13"',
    'VERSION_CODENAME=trixie',
    'IMAGE_ID=holdfast',
    `IMAGE_VERSION=${version}`,
    '',
  ].join('\n');
}

/** A file as the manifest lists it. */
async function describe(
  path: string,
): Promise<{ name: string; size: number; sha256: ReleaseManifest['uki']['sha256'] }> {
  const digest = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), digest);
  return { name: basename(path), size: (await stat(path)).size, sha256: sha256.parse(digest.digest('hex')) };
}

/** A UUID (RFC 9562, version 8) that is always the same for the same text. */
function uuidFrom(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

async function readLock(path: string): Promise<PackageLock> {
  return packageLock.parse(JSON.parse(await readFile(path, 'utf8')));
}

/** Everything that decides what a build makes. */
async function inputDigest(
  request: BuildRequest,
  sources: Sources,
  lock: PackageLock | undefined,
  certificate: string,
): Promise<string> {
  const packages = lock === undefined ? (sources.state?.digest ?? 'unknown') : JSON.stringify(lock);
  const folders = ['image', 'src/release', 'src/verity'].map((name) => join(request.project, name));
  return digestInputs([packages, certificate, ...sources.lines], folders);
}

/** The manifest in `out` when it was built from the same inputs and its files are all there. */
async function findUnchanged(out: string, inputs: string): Promise<ReleaseManifest | undefined> {
  if (!(await exists(join(out, 'release.json')))) return undefined;
  if ((await readFile(join(out, 'inputs'), 'utf8').catch(() => '')).trim() !== inputs) return undefined;
  const parsed = releaseManifest.safeParse(JSON.parse(await readFile(join(out, 'release.json'), 'utf8')));
  if (!parsed.success) return undefined;
  const { root, uki, loader, sbom, packages } = parsed.data;
  for (const { name, size } of [root, uki, loader, sbom, packages]) {
    const found = await stat(join(out, name)).catch(() => undefined);
    if (found?.size !== size) return undefined;
  }
  return parsed.data;
}

/** Puts a finished folder in place of an older one. A cut leaves the old or the new one, or none and both beside. */
async function replaceFolder(folder: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const old = `${target}.old`;
  await rm(old, { recursive: true, force: true });
  if (await exists(target)) await rename(target, old);
  await rename(folder, target).catch(async (error) => {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await run('cp', ['--archive', '--reflink=auto', folder, target]);
  });
  await syncFolder(dirname(target));
  await rm(old, { recursive: true, force: true });
}
