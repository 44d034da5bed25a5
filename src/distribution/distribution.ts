/** What a package of the host is for: running machines, building releases, testing Holdfast. */
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

/** A distribution as the host's: where the programs come from that Holdfast runs. */
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
   * Fetches a package and unpacks it into `directory`, without installing it. No-op when the directory exists. The
   * archive's signature is checked.
   * @throws HoldfastError `package.no-mirror`, `package.mirror` (exit code 2), `package.fetch`.
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

/** One Linux distribution: on the host, and as what releases are made from. */
export interface Distribution {
  /** Its name in messages. */
  readonly name: string;
  readonly host: HostDistribution;
}
