import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hostArchitecture } from '../base/architecture.ts';
import { failure } from '../base/errors.ts';
import type {
  Distribution,
  GuestDistribution,
  HostDistribution,
  PackageRequest,
} from '../distribution/distribution.ts';
import { unpackDebianPackage } from './fetch-package.ts';
import { isCopyGood } from './fetched-copy.ts';
import { fetchedPackages } from './fetched-packages.ts';
import { debianBuildPackages } from './host-packages.ts';
import { installRoot } from './install-root.ts';
import { installedVersions } from './installed.ts';
import { archiveKeyring } from './keyring.ts';
import { hostMirrors } from './mirror.ts';
import { packageFiles } from './package-files.ts';
import { debianPackage } from './package-list.ts';
import { madePaths, suite } from './recipe.ts';
import { findSources } from './sources.ts';
import { prepareModules, stripRoot } from './strip-root.ts';

const suites: Readonly<Record<PackageRequest['suite'], string>> = { stable: suite, development: 'sid' };

const host: HostDistribution = {
  packages: debianBuildPackages,
  installCommand: (name) => `sudo apt-get install ${name}`,
  refreshCommand: 'sudo apt-get update',
  installedVersions,
  findMirrors: hostMirrors,
  async fetchPackage({ name, suite, mirror }, directory) {
    const pins = fetchedPackages[hostArchitecture.name][name];
    if (!pins) throw new TypeError(`${name} has no minimum version`);
    if (await isCopyGood(directory, pins)) return;
    const archive = mirror ?? (await hostMirrors())?.archive;
    if (archive === undefined) {
      throw failure('package.no-mirror', `cannot fetch ${name}: no mirror of Debian is known`, {
        why: 'the package lists of apt on this host name none',
        next: `run \`${host.refreshCommand}\` and try again`,
      });
    }
    const wanted = { name, suite: suites[suite], mirror: archive, keyring: archiveKeyring, pins };
    await unpackDebianPackage(wanted, directory);
  },
};

const guest: GuestDistribution = {
  release: { title: 'Debian 13', id: 'debian', version: '13', codename: suite },
  packageSchema: debianPackage,
  supplier: 'Organization: Debian',
  packageType: 'deb',
  // https://github.com/package-url/purl-spec, type deb
  packageUrl: ({ name, version, architecture }, from) =>
    `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}&distro=${from}`,
  findSources,
  installRoot,
  versionOf: async (root) => (await readFile(join(root, 'etc/debian_version'), 'utf8')).trim(),
  async bootFiles(root) {
    const kernel =
      (await readdir(join(root, 'boot'))).find((name) => name.startsWith('vmlinuz-')) ?? 'vmlinuz';
    const programs = 'usr/lib/systemd/boot/efi';
    const { efiSuffix } = hostArchitecture;
    return {
      kernel: `boot/${kernel}`,
      stub: `${programs}/linux${efiSuffix}.efi.stub`,
      loader: `${programs}/systemd-boot${efiSuffix}.efi`,
    };
  },
  packageFiles,
  isMade: (path) => madePaths.some((made) => made.test(path)),
  busybox: 'usr/bin/busybox',
  initrdPrograms: ['usr/sbin/dmsetup', 'usr/bin/keyctl', 'usr/bin/perl'],
  prepareModules,
  strip: stripRoot,
};

/** Debian 13. */
export const debian: Distribution = { name: 'Debian', host, guest };
