import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describe, failure, isSystemError } from '../base/errors.ts';
import { readBounded } from '../base/files.ts';
import { channelKeyFiles, parsePublicKey } from '../channel/keys.ts';
import { type DiskTables, readTables } from '../disk/growth.ts';
import type { SecureBootKeys } from '../firmware/secure-boot.ts';
import type { VariableStore } from '../firmware/store.ts';
import { readVariableStore } from '../firmware/store-file.ts';
import { secureBootKeys } from '../machine/boot-keys.ts';
import type { MachineConfiguration } from '../machine/configuration.ts';
import { machineNames } from '../machine/list.ts';
import type { Machine } from '../machine/machine.ts';
import { type Home, machinePaths } from '../machine/paths.ts';
import type { ReleaseManifest, Sha256 } from '../release/manifest.ts';
import { trustedCertificate } from '../release/store.ts';
import { readRelease } from '../release/verify.ts';
import { hostHypervisor } from '../supervisor/host-hypervisor.ts';

/** The permissions of a file of the host. */
export interface FileAccess {
  /** Relative to HOLDFAST_HOME. */
  readonly path: string;
  readonly kind: 'directory' | 'file' | 'other';
  /** The permission bits. */
  readonly mode: number;
}

/** The public halves of a machine's channel keys, as digests of their wire format in hexadecimal. */
export interface ChannelKeyDigests {
  readonly identity: string;
  readonly hostKey: string;
}

/** Facts about a machine that the host knows without its guest. */
export interface HostFactTypes {
  readonly configuration: MachineConfiguration;
  /** The releases that the machine's slots may hold; their signatures were verified. */
  readonly releases: readonly { readonly digest: Sha256; readonly manifest: ReleaseManifest }[];
  readonly variables: VariableStore;
  /** The certificates that the machine must have been deployed with. */
  readonly certificates: SecureBootKeys;
  readonly tables: DiskTables;
  /** Everything below the machine's secrets and the home's keys, and the directories above them. */
  readonly access: readonly FileAccess[];
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
  const [configuration, releases, variables, certificates, tables, access, channelKeys, otherKeys] =
    await Promise.all([
      fact(read),
      fact(read.then((configuration) => readReleases(home, configuration))),
      fact(readVariableStore(paths.variables)),
      fact(secureBootKeys(home)),
      fact(readTables(hostHypervisor(home).images, paths.disk)),
      fact(readAccess(machine)),
      fact(readKeyDigests(paths.secrets)),
      fact(readOtherKeys(machine)),
    ]);
  return { configuration, releases, variables, certificates, tables, access, channelKeys, otherKeys };
}

async function fact<T>(work: Promise<T>): Promise<Fact<T>> {
  try {
    return { value: await work };
  } catch (error) {
    return { problem: describe(error) };
  }
}

async function readReleases(
  home: Home,
  { release, updates }: MachineConfiguration,
): Promise<HostFactTypes['releases']> {
  const certificate = trustedCertificate(home);
  return Promise.all(
    [release, ...updates].map((digest) => readRelease(join(home.releases, digest), certificate)),
  );
}

async function readAccess({
  home,
  paths: { directory, secrets, configuration, variables },
}: Machine): Promise<FileAccess[]> {
  const paths = [home.directory, home.keys, home.machines, directory, secrets, configuration, variables];
  for (const parent of [home.keys, secrets]) {
    const names = await readdir(parent, { recursive: true });
    paths.push(...names.map((each) => join(parent, each)));
  }
  return Promise.all(
    paths.map(async (path) => {
      const found = await stat(path);
      const kind = found.isDirectory() ? 'directory' : found.isFile() ? 'file' : 'other';
      return { path: relative(home.directory, path) || '.', kind, mode: found.mode & 0o7777 } as const;
    }),
  );
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
