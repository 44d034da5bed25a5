/**
 * What a release is made of. Data only: change it here, and the next build differs.
 */
import type { Verity } from '../../disk/layout.ts';

/** Debian's release that the root is made from, and the suites that its packages come from. */
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
  'linux-image-cloud-amd64',
  'e2fsprogs',
  'dmsetup',
  // what its users do: log in, look around, run containers
  'openssh-server',
  'sudo',
  'podman',
  'crun',
  'netavark',
  'aardvark-dns',
  'iptables',
  'iproute2',
  'iputils-ping',
  'curl',
  'ca-certificates',
  'tzdata',
  'procps',
  'less',
  // what reaches the host's TPM: the tools, and the pipe between them and vsock
  'tpm2-tools',
  'socat',
  // what opens Data and Log where they are encrypted: the initrd runs it
  'cryptsetup-bin',
  'systemd-cryptsetup',
  // hands the kernel the signature of a volume of container images (docs/how-to/signed-containers.md)
  'keyutils',
  // what the boot image needs; taken out of the root again
  'systemd-boot-efi',
  'busybox-static',
];

/**
 * Packages that are needed to put the root together, or that others pull in, and whose files leave it again: no package
 * manager, no interpreter that only package scripts need, nothing that only makes boot images.
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

/** Never unpacked: documentation, translations, and hooks that would make an initrd which nobody boots. */
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

/** Removed from the finished tree: state of the package manager, and what differs from machine to machine. */
export const removedPaths: readonly string[] = [
  'boot',
  'dev',
  'etc/apt',
  'etc/hostname',
  'etc/machine-id',
  'etc/resolv.conf',
  'etc/ssh/sshd_config',
  // made by the package's script, and then the same on all machines
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
  'usr/lib/systemd/boot',
  // nothing is opened later than in the initrd, and nothing by these
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
  'usr/lib/x86_64-linux-gnu/cryptsetup',
  'usr/lib/dracut',
  'usr/share/initramfs-tools',
  'usr/share/debconf',
  'var',
];

/** Files and directories that only root may look into; git keeps no such modes. */
export const privatePaths: Readonly<Record<string, number>> = {
  'etc/ssh/sshd_config': 0o600,
  'etc/sudoers.d': 0o750,
  'etc/sudoers.d/holdfast': 0o440,
};

/**
 * Modules that are left out: drivers of devices that the machine does not have, or must not use. What is not there
 * cannot be loaded, whoever asks.
 */
export const removedModules: readonly string[] = [
  'arch/x86/kvm',
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

/** Kernel modules that the initrd loads, in this order; their dependencies are found by depmod. */
export const initrdModules: readonly string[] = [
  'efivarfs',
  'virtio_blk',
  'dm_verity',
  'erofs',
  'overlay',
  'vmw_vsock_virtio_transport',
  // the watchdog: systemd takes what is there when it starts
  'i6300esb',
];

/**
 * The kernel's command line, ahead of what follows from verity. Signed as part of the UKI: nobody adds to it.
 */
export const commandLine: readonly string[] = [
  'console=ttyS0',
  'quiet',
  'panic=5',
  // the host may be busy, and the watchdog then blames the clock
  'tsc=reliable',
  // without bpf, which systemd would load a program into at each boot for a setting (RestrictFileSystems=) nobody uses
  'lsm=landlock,lockdown,yama,ipe',
  // the kernel against itself and against root (docs/reference/hardening.md)
  'lockdown=confidentiality',
  'module.sig_enforce=1',
  'mitigations=auto,nosmt',
  'slab_nomerge',
  'page_alloc.shuffle=1',
  'proc_mem.force_override=never',
  'bdev_allow_write_mounted=0',
  'debugfs=off',
  'ia32_emulation=0',
  'systemd.firstboot=off',
];

/** What the command line of the UKI with verity, and of that without, says about it. */
export const verityWords: Readonly<Record<Verity, readonly string[]>> = {
  on: ['dm_verity.require_signatures=1'],
  off: ['holdfast.verity=off'],
};

/** The first user: sudo without a password, no password at all, keys only. */
export const user = {
  name: 'holdfast',
  id: 1000,
  shell: '/bin/bash',
  home: '/home/holdfast',
  groups: ['adm', 'systemd-journal'],
} as const;
