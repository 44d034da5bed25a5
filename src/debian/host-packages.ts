import type { HostPackage } from '../distribution/distribution.ts';
import { archiveKeyring } from './keyring.ts';

/** What a host needs to build releases from Debian packages. */
export const debianBuildPackages: readonly HostPackage[] = [
  {
    package: 'mmdebstrap',
    provides: 'mmdebstrap',
    for: 'build',
    why: 'makes the root file system from Debian packages',
  },
  {
    package: 'debian-archive-keyring',
    provides: archiveKeyring,
    for: 'build',
    why: "Debian's keys: packages are checked against them",
  },
];
