import { failure } from '../base/errors.ts';
import type { Distribution, HostDistribution, PackageRequest } from '../distribution/distribution.ts';
import { unpackDebianPackage } from './fetch-package.ts';
import { debianBuildPackages } from './host-packages.ts';
import { installedVersions } from './installed.ts';
import { archiveKeyring } from './keyring.ts';
import { hostMirrors } from './mirror.ts';

const suites: Readonly<Record<PackageRequest['suite'], string>> = { stable: 'trixie', development: 'sid' };

const host: HostDistribution = {
  packages: debianBuildPackages,
  installCommand: (name) => `sudo apt-get install ${name}`,
  refreshCommand: 'sudo apt-get update',
  installedVersions,
  findMirrors: hostMirrors,
  async fetchPackage({ name, suite, mirror }, directory) {
    const archive = mirror ?? (await hostMirrors())?.archive;
    if (archive === undefined) {
      throw failure('package.no-mirror', `cannot fetch ${name}: no mirror of Debian is known`, {
        why: 'the package lists of apt on this host name none',
        next: `run \`${host.refreshCommand}\` and try again`,
      });
    }
    const wanted = { name, suite: suites[suite], mirror: archive, keyring: archiveKeyring };
    await unpackDebianPackage(wanted, directory);
  },
};

/** Debian 13. */
export const debian: Distribution = { name: 'Debian', host };
