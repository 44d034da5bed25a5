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
import { type MachineConfiguration, machineNames, readConfiguration } from '../machine/configuration.ts';
import { type HomeLayout, type MachineName, machineLayout } from '../machine/paths.ts';
import type { ReleaseManifest, Sha256 } from '../release/manifest.ts';
import { trustedCertificate } from '../release/store.ts';
import { readRelease } from '../release/verify.ts';
import { hostHypervisor } from '../supervisor/host-hypervisor.ts';

/** Who may do what with a file of the host's. */
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

/** What the host knows of a machine without asking the guest. */
export interface HostFactTypes {
  readonly configuration: MachineConfiguration;
  /** Those that the machine's slots may hold, from the store of releases; their signatures were checked. */
  readonly releases: readonly { readonly digest: Sha256; readonly manifest: ReleaseManifest }[];
  readonly variables: VariableStore;
  /** The certificates that the machine should have been deployed with. */
  readonly certificates: SecureBootKeys;
  readonly tables: DiskTables;
  /** Everything below the machine's secrets and the home's keys, and the directories above them. */
  readonly access: readonly FileAccess[];
  readonly channelKeys: ChannelKeyDigests;
  /** Those of the other machines of this home, by name. */
  readonly otherKeys: Readonly<Record<string, ChannelKeyDigests>>;
}

type Fact<T> = { readonly value: T } | { readonly problem: string };
export type HostFacts = { readonly [Name in keyof HostFactTypes]: Fact<HostFactTypes[Name]> };

/** @throws HoldfastError `audit.fact` when it could not be found out. */
export function readFact<Name extends keyof HostFactTypes>(
  facts: HostFacts,
  name: Name,
): HostFactTypes[Name] {
  const fact: Fact<HostFactTypes[Name]> = facts[name];
  if ('value' in fact) return fact.value;
  throw failure('audit.fact', `what the host knows (${name}) cannot be read`, { why: fact.problem });
}

/** Looks everything up at once. What cannot be read is a problem of the claims that need it. */
export async function gatherHostFacts(layout: HomeLayout, name: MachineName): Promise<HostFacts> {
  const files = machineLayout(layout, name);
  const [configuration, releases, variables, certificates, tables, access, channelKeys, otherKeys] =
    await Promise.all([
      fact(readConfiguration(layout, name)),
      fact(readReleases(layout, name)),
      fact(readVariableStore(files.variables)),
      fact(secureBootKeys(layout)),
      fact(readTables(hostHypervisor(layout).images, files.disk)),
      fact(readAccess(layout, name)),
      fact(readKeyDigests(files.secrets)),
      fact(readOtherKeys(layout, name)),
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

async function readReleases(layout: HomeLayout, name: MachineName): Promise<HostFactTypes['releases']> {
  const { release, updates } = await readConfiguration(layout, name);
  const certificate = trustedCertificate(layout);
  return Promise.all(
    [release, ...updates].map((digest) => readRelease(join(layout.releases, digest), certificate)),
  );
}

async function readAccess(layout: HomeLayout, name: MachineName): Promise<FileAccess[]> {
  const { directory, secrets, configuration, variables } = machineLayout(layout, name);
  const paths = [layout.home, layout.keys, layout.machines, directory, secrets, configuration, variables];
  for (const parent of [layout.keys, secrets]) {
    const names = await readdir(parent, { recursive: true });
    paths.push(...names.map((each) => join(parent, each)));
  }
  return Promise.all(
    paths.map(async (path) => {
      const found = await stat(path);
      const kind = found.isDirectory() ? 'directory' : found.isFile() ? 'file' : 'other';
      return { path: relative(layout.home, path) || '.', kind, mode: found.mode & 0o7777 } as const;
    }),
  );
}

async function readKeyDigests(secrets: string): Promise<ChannelKeyDigests> {
  const { identityPublic, hostKeyPublic } = channelKeyFiles(secrets);
  const digest = async (path: string) => keyDigest((await readBounded(path, 4096)).toString('latin1'));
  return { identity: await digest(identityPublic), hostKey: await digest(hostKeyPublic) };
}

/**
 * A public key in OpenSSH's format, without its comment, as something that can be compared.
 * @throws HoldfastError `channel.key`.
 */
export function keyDigest(text: string): string {
  return createHash('sha256').update(parsePublicKey(text)).digest('hex');
}

async function readOtherKeys(layout: HomeLayout, name: MachineName): Promise<HostFactTypes['otherKeys']> {
  const others = (await machineNames(layout)).filter((other) => other !== name);
  const entries = await Promise.all(
    others.map(async (other) => {
      try {
        return [[other, await readKeyDigests(machineLayout(layout, other).secrets)] as const];
      } catch (error) {
        if (isSystemError(error, 'ENOENT')) return []; // removed at this moment, or never whole
        throw error;
      }
    }),
  );
  return Object.fromEntries(entries.flat());
}
