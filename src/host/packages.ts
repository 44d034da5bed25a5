import type { Distribution, HostPackage, Purpose } from '../distribution/distribution.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';

/** What Holdfast uses under every hypervisor and distribution, by the names in Debian. */
const commonPackages: readonly HostPackage[] = [
  { package: 'util-linux', provides: 'flock', for: 'run', why: 'locks a machine while a command changes it' },
  {
    package: 'openssh-client',
    provides: 'ssh-keygen',
    for: 'run',
    why: 'makes the keys of both ends of the channel',
  },
  {
    package: 'openssl',
    provides: 'openssl',
    for: 'run',
    why: 'makes keys; signs and checks releases and root hashes',
  },
  { package: 'e2fsprogs', provides: 'mkfs.ext4', for: 'run', why: 'makes the Log and Data file systems' },
  { package: 'dosfstools', provides: 'mkfs.vfat', for: 'run', why: 'makes the boot file systems' },
  { package: 'mtools', provides: 'mcopy', for: 'run', why: 'fills boot file systems without mounting them' },
  { package: 'erofs-utils', provides: 'mkfs.erofs', for: 'build', why: 'makes the read-only root image' },
  {
    package: 'cryptsetup-bin',
    provides: 'veritysetup',
    for: 'build',
    why: 'makes and checks the verity tree of the root',
  },
  {
    package: 'sbsigntool',
    provides: 'sbsign',
    for: 'build',
    why: 'signs the unified kernel image for Secure Boot',
  },
  { package: 'binutils', provides: 'objcopy', for: 'build', why: 'assembles the unified kernel image' },
  { package: 'zstd', provides: 'zstd', for: 'build', why: 'compresses the initial RAM disk' },
  { package: 'xz-utils', provides: 'xz', for: 'build', why: "unpacks the kernel's modules" },
  { package: 'cpio', provides: 'cpio', for: 'build', why: 'packs the initial RAM disk' },
  {
    package: 'faketime',
    provides: 'faketime',
    for: 'build',
    why: 'gives signatures the same time in each build',
  },
  {
    package: 'openssh-server',
    provides: '/usr/sbin/sshd',
    for: 'test',
    why: "the SSH server of the channel's tests that need no machine",
  },
  {
    package: 'tpm2-tools',
    provides: 'tpm2_getcap',
    for: 'test',
    why: 'stock tools as the guest of the TPM broker',
  },
  { package: 'socat', provides: 'socat', for: 'test', why: 'the pipe between tpm2-tools and the TPM broker' },
  { package: 'nmap', provides: 'nmap', for: 'test', why: 'looks for open ports of a machine' },
  { package: 'casync', provides: 'casync', for: 'test', why: 'what bench/delta compares with' },
  { package: 'zchunk', provides: 'zck', for: 'test', why: 'what bench/delta compares with' },
  { package: 'rauc', provides: 'rauc', for: 'test', why: 'what bench/update compares with' },
  { package: 'squashfs-tools', provides: 'mksquashfs', for: 'test', why: 'rauc packs its bundles with it' },
];

/** Returns all packages that Holdfast uses on a host. */
export function hostPackages(
  hypervisor: Pick<Hypervisor, 'packages'>,
  { host }: Pick<Distribution, 'host'>,
): readonly HostPackage[] {
  return [...hypervisor.packages, ...host.packages, ...commonPackages];
}

/**
 * Returns the packages for these purposes that are not installed.
 * @throws HoldfastError `process.missing` when the host has no such package manager.
 */
export async function missingPackages(
  packages: readonly HostPackage[],
  purposes: readonly Purpose[],
  { host }: Pick<Distribution, 'host'>,
): Promise<readonly HostPackage[]> {
  const wanted = packages.filter((each) => purposes.includes(each.for));
  const installed = await host.installedVersions(wanted.map((each) => each.package));
  return wanted.filter((each) => !installed.has(each.package));
}
