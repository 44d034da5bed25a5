import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describe, failure, isSystemError } from '../base/errors.ts';
import { exists, readBounded } from '../base/files.ts';
import { exposureOf, isOwnUser } from '../base/own-path.ts';
import { channelKeyFiles, parsePublicKey } from '../channel/keys.ts';
import { type DiskTables, readTables } from '../disk/growth.ts';
import type { SecureBootKeys } from '../firmware/secure-boot.ts';
import type { VariableStore } from '../firmware/store.ts';
import { readVariableStore } from '../firmware/store-file.ts';
import { isAsReleased } from '../machine/as-released.ts';
import { secureBootKeys } from '../machine/boot-keys.ts';
import type { MachineConfiguration } from '../machine/configuration.ts';
import { machineNames } from '../machine/list.ts';
import type { Machine } from '../machine/machine.ts';
import { type Home, machinePaths } from '../machine/paths.ts';
import type { ReleaseManifest, Sha256 } from '../release/manifest.ts';
import type { ReleasedEntry } from '../release/overlay-content.ts';
import { readSmallFile } from '../release/small-files.ts';
import { trustedCertificate } from '../release/store.ts';
import { readRelease } from '../release/verify.ts';
import { hostHypervisor } from '../supervisor/host-hypervisor.ts';
import { virtualTpmState } from '../tpm/virtual/virtual-tpm.ts';
import { readSlots, type SlotContents } from './slot-facts.ts';

/** The permissions of a file of the host. */
export interface FileAccess {
  /** Relative to HOLDFAST_HOME. */
  readonly path: string;
  readonly kind: 'directory' | 'file' | 'other';
  /** The permission bits. With an access control list those of the group are its mask, which limits what it allows. */
  readonly mode: number;
  /** Its owner, unless it may own the file: this user, or root. */
  readonly stranger?: number;
}

/** The public halves of a machine's channel keys, as digests of their wire format in hexadecimal. */
export interface ChannelKeyDigests {
  readonly identity: string;
  readonly hostKey: string;
}

/** Facts about a machine that the host knows without its guest. */
export interface HostFactTypes {
  readonly configuration: MachineConfiguration;
  /** Whether the machine was started as released. */
  readonly asReleased: boolean;
  /** The releases that the machine's slots may hold; their signatures were verified. */
  readonly releases: readonly {
    readonly digest: Sha256;
    readonly manifest: ReleaseManifest;
    /** What it has in /etc. */
    readonly etc: readonly ReleasedEntry[];
  }[];
  readonly variables: VariableStore;
  /** The certificates that the machine must have been deployed with. */
  readonly certificates: SecureBootKeys;
  readonly tables: DiskTables;
  readonly slots: SlotContents;
  /** Everything below the machine's secrets and the home's keys, and the directories above them. */
  readonly access: readonly FileAccess[];
  /** Why another user could replace the home, its keys or the machine's secrets, with all directories and links that lead to them. */
  readonly exposed: readonly string[];
  readonly channelKeys: ChannelKeyDigests;
  /** Those of the other machines of this home, by machine name. */
  readonly otherKeys: Readonly<Record<string, ChannelKeyDigests>>;
}

type Fact<T> = { readonly value: T } | { readonly problem: string };
export type HostFacts = { readonly [Name in keyof HostFactTypes]: Fact<HostFactTypes[Name]> };

/** Returns one fact. @throws HoldfastError `audit.fact` when it could not be read. */
export function readFact<Name extends keyof HostFactTypes>(
  facts: HostFacts,
  name: Name,
): HostFactTypes[Name] {
  const fact: Fact<HostFactTypes[Name]> = facts[name];
  if ('value' in fact) return fact.value;
  throw failure('audit.fact', `cannot read a fact of the host (${name})`, { why: fact.problem });
}

/** Gathers all facts. A fact that cannot be read fails the claims that need it. */
export async function gatherHostFacts(machine: Machine): Promise<HostFacts> {
  const { home, paths } = machine;
  const read = machine.reload(); // an audit reads the file, whatever this process has read before
  const { images } = hostHypervisor(home);
  const facts = {
    configuration: read,
    asReleased: isAsReleased(paths.secrets),
    releases: read.then((configuration) => readReleases(home, configuration)),
    variables: readVariableStore(paths.variables),
    certificates: secureBootKeys(home),
    tables: readTables(images, paths.disk),
    slots: read.then((configuration) => readSlots(images, paths.disk, home, releasesOf(configuration))),
    access: readAccess(machine),
    exposed: readExposed(machine),
    channelKeys: readKeyDigests(paths.secrets),
    otherKeys: readOtherKeys(machine),
  } satisfies { [Name in keyof HostFactTypes]: Promise<HostFactTypes[Name]> };
  const settled = Object.entries(facts).map(async ([name, work]) => [name, await fact<unknown>(work)]);
  return Object.fromEntries(await Promise.all(settled)) as HostFacts;
}

async function fact<T>(work: Promise<T>): Promise<Fact<T>> {
  try {
    return { value: await work };
  } catch (error) {
    return { problem: describe(error) };
  }
}

/** The releases that the slots of a machine may hold. */
function releasesOf({ release, updates }: MachineConfiguration): Sha256[] {
  return [...new Set([release, ...updates])];
}

async function readReleases(
  home: Home,
  configuration: MachineConfiguration,
): Promise<HostFactTypes['releases']> {
  const certificate = trustedCertificate(home);
  return Promise.all(
    releasesOf(configuration).map(async (digest) => {
      const directory = join(home.releases, digest);
      const found = await readRelease(directory, certificate);
      const { etc } = await readSmallFile(directory, found.manifest, 'overlays');
      return { ...found, etc };
    }),
  );
}

async function readAccess({
  home,
  paths: { directory, secrets, configuration, variables, tpm },
}: Machine): Promise<FileAccess[]> {
  // a directory may be a link to another disk: `readExposed` judges links
  const tops = [home.directory, home.keys, home.machines, directory, secrets, configuration, variables];
  const below: string[] = [];
  if (await exists(tpm)) {
    tops.push(tpm);
    // what its program writes can have the machine's user
    const own = (await readdir(tpm)).filter((name) => join(tpm, name) !== virtualTpmState(tpm).directory);
    below.push(...own.map((name) => join(tpm, name)));
  }
  for (const parent of [home.keys, secrets]) {
    const names = await readdir(parent, { recursive: true });
    below.push(...names.map((each) => join(parent, each)));
  }
  const accessOf = (path: string, found: Stats): FileAccess => ({
    path: relative(home.directory, path) || '.',
    kind: found.isDirectory() ? 'directory' : found.isFile() ? 'file' : 'other',
    mode: found.mode & 0o7777,
    // the programs of a machine can have a user of their own, which owns what they write
    ...(!isOwnUser(found.uid) && path !== variables && { stranger: found.uid }),
  });
  return Promise.all([
    ...tops.map(async (path) => accessOf(path, await stat(path))),
    ...below.map(async (path) => accessOf(path, await lstat(path))),
  ]);
}

async function readExposed({ home, paths }: Machine): Promise<string[]> {
  const found = await Promise.all([home.keys, paths.secrets, paths.tpm].map(exposureOf));
  return [...new Set(found.filter((problem) => problem !== undefined))];
}

async function readKeyDigests(secrets: string): Promise<ChannelKeyDigests> {
  const { identityPublic, hostKeyPublic } = channelKeyFiles(secrets);
  const digest = async (path: string) => keyDigest((await readBounded(path, 4096)).toString('latin1'));
  return { identity: await digest(identityPublic), hostKey: await digest(hostKeyPublic) };
}

/**
 * Returns the digest of a public key in OpenSSH's format, without its comment, for comparison.
 * @throws HoldfastError `channel.key`.
 */
export function keyDigest(text: string): string {
  return createHash('sha256').update(parsePublicKey(text)).digest('hex');
}

async function readOtherKeys({ home, name }: Machine): Promise<HostFactTypes['otherKeys']> {
  const others = (await machineNames(home)).filter((other) => other !== name);
  const entries = await Promise.all(
    others.map(async (other) => {
      try {
        return [[other, await readKeyDigests(machinePaths(home, other).secrets)] as const];
      } catch (error) {
        if (isSystemError(error, 'ENOENT')) return []; // removed at this moment, or never whole
        throw error;
      }
    }),
  );
  return Object.fromEntries(entries.flat());
}
