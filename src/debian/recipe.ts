/** The parts of Debian that a release is made of. Data only: a change here changes the next build. */
import { hostArchitecture } from '../base/architecture.ts';
import { ports } from './ports.ts';

const port = ports[hostArchitecture.name];

/** The release of Debian. */
export const suite = 'trixie';

/** Packages installed without their recommendations. */
export const packages: readonly string[] = [
  // the system
  'systemd',
  'systemd-sysv',
  'libpam-systemd',
  'libnss-myhostname',
  'dbus',
  'udev',
  'kmod',
  port.kernelPackage,
  'e2fsprogs',
  'dmsetup',
  // for its users: log in, look around, run containers
  'openssh-server',
  'sudo',
  'podman',
  'crun',
  'netavark',
  'aardvark-dns',
  'iptables',
  // lists the tables that iptables does not show, for the audit
  'nftables',
  'iproute2',
  'iputils-ping',
  'curl',
  'ca-certificates',
  'tzdata',
  'procps',
  'less',
  // access to the host's TPM: the tools, and the pipe between them and vsock
  'tpm2-tools',
  'socat',
  // opens encrypted Data and Log, in the initrd
  'cryptsetup-bin',
  'systemd-cryptsetup',
  // passes the signature of a volume of container images to the kernel (docs/how-to/signed-containers.md)
  'keyutils',
  // for the boot image; removed from the root again
  'systemd-boot-efi',
  'busybox-static',
];

/**
 * Packages whose files are removed again: the root needs them while it is made, or others depend on them. No package
 * manager stays, no interpreter for package scripts, nothing that only makes boot images.
 */
export const takenOut: readonly string[] = [
  'apt',
  'libapt-pkg7.0',
  'dpkg',
  'debconf',
  'libdebconfclient0',
  'perl-base',
  'libtext-charwidth-perl',
  'libtext-wrapi18n-perl',
  'ucf',
  'init-system-helpers',
  'adduser',
  'initramfs-tools',
  'initramfs-tools-core',
  'initramfs-tools-bin',
  'dracut-install',
  'klibc-utils',
  'libklibc',
  'linux-base',
  'logsave',
  'cpio',
  'busybox-static',
  'systemd-boot-efi',
  'gnupg',
  'gnupg-l10n',
  'gpg',
  'gpg-agent',
  'gpgconf',
  'gpgsm',
  'gpgv',
  'sqv',
  'dirmngr',
  'pinentry-curses',
  'debian-archive-keyring',
  'sysvinit-utils',
];

/** Never unpacked: documentation, translations, and hooks that would make an initrd that is not used. */
export const excludedPaths: readonly string[] = [
  '/usr/share/doc/*',
  '/usr/share/man/*',
  '/usr/share/info/*',
  '/usr/share/lintian/*',
  '/usr/share/bug/*',
  '/usr/share/locale/*',
  '/usr/share/bash-completion/*',
  '/usr/share/zsh/*',
  '/etc/kernel/postinst.d/initramfs-tools',
];

/** Removed from the finished tree: the state of the package manager, and what differs between machines. */
export const removedPaths: readonly string[] = [
  'boot',
  'dev',
  'etc/apt',
  'etc/hostname',
  'etc/machine-id',
  'etc/resolv.conf',
  'etc/ssh/sshd_config',
  // made by the package's script: they would be the same on all machines
  ...['ecdsa', 'ed25519', 'rsa'].flatMap((type) => [
    `etc/ssh/ssh_host_${type}_key`,
    `etc/ssh/ssh_host_${type}_key.pub`,
  ]),
  'etc/ssh/moduli',
  'etc/.pwd.lock',
  'etc/passwd-',
  'etc/group-',
  'etc/shadow-',
  'etc/gshadow-',
  'etc/subuid-',
  'etc/subgid-',
  'etc/cron.daily',
  'etc/init.d',
  'etc/rc0.d',
  'etc/rc1.d',
  'etc/rc2.d',
  'etc/rc3.d',
  'etc/rc4.d',
  'etc/rc5.d',
  'etc/rc6.d',
  'etc/rcS.d',
  'etc/initramfs-tools',
  'etc/systemd/system',
  'etc/systemd/user',
  // another packet filter than the image's
  'etc/nftables.conf',
  'usr/lib/systemd/system/nftables.service',
  'usr/lib/systemd/boot',
  // volumes are opened in the initrd only, and by none of these
  ...['cryptsetup', 'integritysetup', 'veritysetup'].flatMap((name) => [
    `usr/lib/systemd/system-generators/systemd-${name}-generator`,
    ...['', '-pre'].map((suffix) => `usr/lib/systemd/system/${name}${suffix}.target`),
    ...['sysinit', 'initrd-root-device'].map(
      (target) => `usr/lib/systemd/system/${target}.target.wants/${name}.target`,
    ),
  ]),
  ...['integritysetup', 'veritysetup'].flatMap((name) => [
    `usr/sbin/${name}`,
    `usr/bin/systemd-${name}`,
    `usr/lib/systemd/systemd-${name}`,
  ]),
  `${port.libraries}/cryptsetup`,
  // mounts partitions and swap by their types, which root in the guest can change
  'usr/lib/systemd/system-generators/systemd-gpt-auto-generator',
  'usr/lib/dracut',
  'usr/share/initramfs-tools',
  'usr/share/debconf',
  'var',
];

/**
 * Files of the finished tree that no package contains: scripts of packages and the build make them from what packages contain. A
 * build fails when it ships any other such file, as no line of the SBOM would stand for it.
 */
export const madePaths: readonly RegExp[] = [
  // configuration and accounts
  /^etc\//,
  /^(?:home\/[^/]+|root)\/\.[^/]+$/,
  // indexes: depmod(8), systemd-hwdb(8), install-info(8)
  /^usr\/lib\/modules\/[^/]+\/modules\.[^/]+$/,
  /^usr\/lib\/udev\/hwdb\.bin$/,
  /^usr\/share\/info\/dir$/,
];

/**
 * Kernel modules that are removed: drivers of devices that a machine does not have or must not use. A module that does
 * not exist cannot be loaded, not even by root.
 */
export const removedModules: readonly string[] = [
  ...port.removedModules,
  'drivers/ata',
  'drivers/block/aoe',
  'drivers/block/brd.ko.xz',
  'drivers/block/drbd',
  'drivers/block/nbd.ko.xz',
  'drivers/block/null_blk',
  'drivers/block/rbd.ko.xz',
  'drivers/block/ublk_drv.ko.xz',
  'drivers/block/xen-blkback',
  'drivers/block/xen-blkfront.ko.xz',
  'drivers/bus',
  'drivers/cdrom',
  'drivers/comedi',
  'drivers/cpufreq',
  'drivers/cxl',
  'drivers/dax',
  'drivers/hwtracing',
  'drivers/infiniband',
  'drivers/leds',
  'drivers/md/bcache',
  'drivers/md/dm-vdo',
  'drivers/media',
  'drivers/mfd',
  'drivers/net/eql.ko.xz',
  'drivers/net/ethernet',
  'drivers/net/mhi_net.ko.xz',
  'drivers/net/netconsole.ko.xz',
  'drivers/net/vmxnet3',
  'drivers/net/wwan',
  'drivers/net/xen-netback',
  'drivers/net/xen-netfront.ko.xz',
  'drivers/nvdimm',
  'drivers/nvme',
  'drivers/power',
  'drivers/powercap',
  'drivers/scsi',
  'drivers/soundwire',
  'drivers/target',
  'drivers/tee',
  'drivers/thermal',
  'drivers/uio',
  'drivers/vdpa',
  'drivers/vfio',
  'drivers/vhost',
  'drivers/video',
  'drivers/xen',
  'fs/bcachefs',
  'fs/btrfs',
  'fs/cachefiles',
  'fs/ceph',
  'fs/exfat',
  'fs/isofs',
  'fs/lockd',
  'fs/netfs',
  'fs/nfs',
  'fs/nfs_common',
  'fs/nfsd',
  'fs/ntfs3',
  'fs/orangefs',
  'fs/quota',
  'fs/romfs',
  'fs/smb',
  'fs/squashfs',
  'fs/sysv',
  'fs/udf',
  'fs/xfs',
  'fs/zonefs',
  'net/ceph',
  'net/dccp',
  'net/ife',
  'net/kcm',
  'net/key',
  'net/l2tp',
  'net/mpls',
  'net/nsh',
  'net/openvswitch',
  'net/psample',
  'net/rds',
  'net/sctp',
  'net/smc',
  'net/sunrpc',
  'net/tipc',
];
