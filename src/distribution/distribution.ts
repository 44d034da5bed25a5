import type * as z from 'zod';
import type { ProgressStep } from '../base/progress.ts';

/** The purpose of a package of the host: running machines, building releases, testing Holdfast. */
export type Purpose = 'run' | 'build' | 'test';

/** A package that Holdfast uses on the host. */
export interface HostPackage {
  readonly package: string;
  /** A program on PATH, or the absolute path of a file, that exists when the package is installed. */
  readonly provides: string;
  readonly for: Purpose;
  readonly why: string;
}

/** The package archives that a host uses. */
export interface Mirrors {
  /** The main archive, without a slash at its end. */
  readonly archive: string;
  /** The security archive; undefined when the host uses none. */
  readonly security: string | undefined;
}

/** A distribution as that of the host: the source of the programs that Holdfast runs. */
export interface HostDistribution {
  /** What building releases needs because they are made from this distribution. */
  readonly packages: readonly HostPackage[];
  /** The command that installs a package, for messages. */
  installCommand(name: string): string;
  /** The command that fetches new package lists, for messages. */
  readonly refreshCommand: string;
  /**
   * Returns the installed ones of these packages, with their versions.
   * @throws HoldfastError `process.missing` when the host has no such package manager.
   */
  installedVersions(names: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Returns the host's mirrors; undefined when it knows none. */
  findMirrors(): Promise<Mirrors | undefined>;
  /**
   * Fetches a package and unpacks it into `directory`, without installing it. The archive's signature is checked, and the version.
   * A copy that is there is checked again, and replaced if it was changed.
   * @throws HoldfastError `package.no-mirror`, `package.mirror` (exit code 2), `package.fetch`, `package.outdated`, `package.digest`,
   *   `package.stale`, `file.exposed`.
   */
  fetchPackage(request: PackageRequest, directory: string): Promise<void>;
}

export interface PackageRequest {
  readonly name: string;
  /** `stable`: the suite that releases are made from; `development`: the newest version there is. */
  readonly suite: 'stable' | 'development';
  /** Default: the host's. */
  readonly mirror?: string | undefined;
}

/** A package that a release was made from. */
export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** The source package and its version: what security trackers list. */
  readonly source: string;
  readonly sourceVersion: string;
  /** The release ships none of its files. */
  readonly takenOut: boolean;
}

export type PinnedPackage = Pick<InstalledPackage, 'name' | 'version'>;

/** Where the packages of a release come from. */
export interface PackageSources {
  /** In the form that `installRoot` takes. Empty: its default. */
  readonly lines: readonly string[];
  /** Changes when the archives do; undefined when they cannot be reached. */
  readonly state: { readonly digest: string; readonly date: number } | undefined;
}

export interface RootRequest {
  /** An existing directory; the tree is made in `root` inside it. */
  readonly scratch: string;
  readonly sources: readonly string[];
  /** The versions to install; undefined: the newest. */
  readonly pinned: readonly PinnedPackage[] | undefined;
  /** The time stamp of all files, in seconds since 1970. */
  readonly sourceDateEpoch: number;
  readonly signal: AbortSignal;
}

/** The files that boot images are made from, relative to the root. */
export interface BootFiles {
  readonly kernel: string;
  /** systemd-stub(7). */
  readonly stub: string;
  /** systemd-boot(7). */
  readonly loader: string;
}

/** A distribution as the base of releases. It must use systemd, and a kernel with IPE and signed dm-verity. */
export interface GuestDistribution {
  /** Fields of os-release(5). */
  readonly release: {
    readonly title: string;
    readonly id: string;
    readonly version: string;
    readonly codename: string;
  };
  /** The form of a package in a package lock, which comes from outside. */
  readonly packageSchema: z.ZodType<InstalledPackage>;
  /** For the SBOM (SPDX 2.3): who supplies the packages, and their type in package URLs. */
  readonly supplier: string;
  readonly packageType: string;
  packageUrl(entry: InstalledPackage, suite: string): string;
  /**
   * @param mirror default: the host's.
   * @param scratch an empty directory for what is fetched.
   */
  findSources(mirror: string | undefined, scratch: string): Promise<PackageSources>;
  /**
   * Installs all packages of a release. Needs root.
   * @throws HoldfastError `release.packages`.
   */
  installRoot(request: RootRequest, step: ProgressStep): Promise<InstalledPackage[]>;
  /** Returns the files of each package in a root before `strip`, as absolute paths, by the package's name. */
  packageFiles(root: string): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Returns whether scripts of packages or the build make a file of the root, by its relative path; no package contains it. */
  isMade(path: string): boolean;
  /** Returns the version of the distribution that was installed, such as `13.2`: the release's begins with it. */
  versionOf(root: string): Promise<string>;
  bootFiles(root: string): Promise<BootFiles>;
  /** A static busybox, relative to the root. */
  readonly busybox: string;
  /** The other programs that the initrd runs, relative to the root. */
  readonly initrdPrograms: readonly string[];
  /** Removes the kernel modules that machines must not load, and decompresses the others. depmod runs afterwards. */
  prepareModules(directory: string): Promise<void>;
  /** Removes what only the build needed: package manager, boot files, caches, state. */
  strip(root: string): Promise<void>;
}

/** One Linux distribution: on the host, and as the base of releases. */
export interface Distribution {
  /** Its name in messages. */
  readonly name: string;
  readonly host: HostDistribution;
  readonly guest: GuestDistribution;
}
