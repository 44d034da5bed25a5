import type { ErrorEntry } from './entry.ts';

/** A release: its build, storage and verification, and the disk and firmware of its machines. */
export const releaseCodes = {
  'release.damaged': {
    when: 'A file of a release does not match its manifest.',
    remedy: 'Build the release again, or get it from its builder again.',
  },
  'release.epoch': {
    when: 'The epoch of a release is lower than one that this machine or host has had: it has known flaws.',
    remedy: 'Use a newer release.',
  },
  'release.gone': {
    when: 'The release that a machine was deployed from is no longer in the store, where the base image of its disk is.',
    remedy:
      'Import that release again with `holdfast release import`: from its directory, or from a repository or a bundle that has it. The error names its digest.',
  },
  'release.lock': {
    when: 'Package versions of the lock file are not on the mirror.',
    remedy: 'Build without `--lock`, or from a mirror that has old versions, with `--mirror`.',
  },
  'release.lock-file': {
    when: 'The file given with `--lock` is not a package lock.',
    remedy: 'Give the `packages.json` of a release.',
  },
  'release.mirror': {
    when: 'The mirror did not return a valid Release file.',
    remedy: 'Check the URL given with `--mirror`.',
  },
  'release.none': {
    when: 'The directory contains no release.',
    remedy: 'Build one with `holdfast build`, or name its directory with `--release`.',
  },
  'release.out': {
    when: 'The output directory of a build contains other files, or cannot be written.',
    remedy: 'Give `--out` a new, empty and writable directory.',
  },
  'release.packages': {
    when: 'The package list of the new root file system cannot be parsed.',
    remedy: 'Run the build again with `--debug`, and report its output as a defect.',
  },
  'release.provenance': {
    when: 'A release would ship files that no package contains and that its build does not make.',
    remedy: 'Remove the files in `src/debian/recipe.ts`, or list them there.',
  },
  'release.root': {
    when: 'A build was started by a user other than root.',
    remedy: 'Run it with sudo, or build elsewhere and run `holdfast deploy --release DIR`.',
  },
  'release.signature': {
    when: 'The release is not signed by a certificate that this host trusts.',
    remedy:
      "Get the release from its builder again, or trust its builder by installing the builder's certificate.",
  },
  'release.stub': {
    when: 'The UEFI boot stub of the distribution has an unexpected form.',
    remedy: 'Run `holdfast doctor`, and build with a supported version of systemd-boot.',
  },
  'release.too-large': {
    when: 'The root image of a release does not fit its partition.',
    remedy: 'Remove packages from the recipe in `src/debian/recipe.ts`.',
  },
  'release.untrusted': {
    when: 'This host has no certificate of a trusted builder.',
    remedy: "Run `holdfast build`, or install the certificate of the release's builder.",
  },
  'package.digest': {
    when: 'A package from the archive has a known version, but other content than that version.',
    remedy: 'Use another mirror of Debian, and treat this one as compromised.',
  },
  'package.fetch': {
    when: 'A Debian package could not be downloaded or verified.',
    remedy: 'Check that the mirror can be reached and the keyring is that of Debian, or give another mirror.',
  },
  'package.no-mirror': {
    when: 'A package must be fetched, but the package manager of the host knows no mirror.',
    remedy:
      'Run `sudo apt-get update` and try again. For a machine, `deploy --transport tcp` needs no such package.',
  },
  'package.outdated': {
    when: 'The archive offers only a version of a package that is below the minimum for Holdfast.',
    remedy: 'Use another mirror of Debian. A third party may be replaying an old state of this one.',
  },
  'package.stale': {
    when: 'The archive offers a version that this Holdfast does not know, and its signed Release file is not current.',
    remedy:
      'Use a current mirror of Debian, and check the clock of this host. A third party may be replaying an old state of the archive.',
  },
  'package.mirror': {
    when: 'The address of a Debian mirror is not a URL.',
    remedy: 'Give the URL of the directory that contains `dists/` and `pool/`.',
  },
  'disk.device': {
    when: "The connection to the machine's disk failed.",
    remedy: 'Run `holdfast status`, then the command again; it continues where it stopped.',
  },
  'disk.image': {
    when: 'A file cannot be used as the disk of a machine.',
    remedy: 'Restore the disk from a backup, or deploy the machine again.',
  },
  'disk.partitions': {
    when: 'The partition table of a disk is damaged or is not the one of this machine.',
    remedy: 'Restore the disk and `machine.json` from a backup, or deploy the machine again.',
  },
  'disk.shrink': {
    when: 'The new size of the data partition is smaller than the current one.',
    remedy: 'Choose a larger size, or deploy another machine and move the data.',
  },
  'disk.size': {
    when: 'The size of the data partition is out of range.',
    remedy: 'Choose a size in the range that the error states.',
  },
  'disk.source': {
    when: 'A file for a boot partition is not a regular file.',
    remedy: 'Build the release again, or get it from its builder again.',
  },
  'disk.too-large': {
    when: 'The files of a release do not fit a boot partition.',
    remedy: 'Build the release with fewer or smaller files.',
  },
  'firmware.program': {
    when: 'A file of a release is not a valid EFI program.',
    remedy: 'Build the release again, or get it from its builder again.',
  },
  'firmware.variables': {
    when: 'The UEFI variable store of a machine is damaged.',
    remedy: 'Restore its `variables.fd` from a backup, or deploy the machine again.',
  },
  'verity.data': {
    when: 'A data block of an image does not match its dm-verity digest.',
    remedy: 'Get the image from its source again.',
  },
  'verity.io': {
    when: 'An image could not be read or written.',
    remedy: 'Check the permissions of the file, and the disk of the host.',
  },
  'verity.size': {
    when: 'The data of an image is not a whole number of dm-verity blocks.',
    remedy: 'Get the image from its source again.',
  },
  'verity.superblock': {
    when: 'The dm-verity superblock of an image is damaged or is not the expected one.',
    remedy: 'Get the image from its source again.',
  },
  'verity.tree': {
    when: 'A block of the dm-verity tree does not match its parent or the root hash.',
    remedy: 'Get the image from its source again.',
  },
  'verity.uuid': {
    when: 'A dm-verity UUID is malformed.',
    remedy: 'Build the release again, or get it from its builder again.',
  },
} as const satisfies Record<string, ErrorEntry>;
