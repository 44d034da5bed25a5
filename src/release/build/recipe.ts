/**
 * The parts of a release that do not depend on its distribution; `GuestDistribution` has the others. Data
 * only: a change here changes the next build.
 */
import { hostArchitecture } from '../../base/architecture.ts';
import type { Verity } from '../../disk/layout.ts';

/** Files and directories that only root may read; git does not keep their modes. */
export const privatePaths: Readonly<Record<string, number>> = {
  'etc/ssh/sshd_config': 0o600,
  'etc/sudoers.d': 0o750,
  'etc/sudoers.d/holdfast': 0o440,
};

/** Kernel modules that the initrd loads, in this order; depmod finds their dependencies. */
export const initrdModules: readonly string[] = [
  'efivarfs',
  'virtio_blk',
  'dm_verity',
  'erofs',
  'overlay',
  'vmw_vsock_virtio_transport',
  // the watchdog: systemd uses it only if it exists when systemd starts
  'i6300esb',
];

/**
 * The kernel command line, up to the parameters of verity. Signed as part of the UKI: nothing can be added to it.
 */
export const commandLine: readonly string[] = [
  `console=${hostArchitecture.console}`,
  'quiet',
  'panic=5',
  // what a process held when the kernel stopped it may be locked for good: only a start repairs that
  'oops=panic',
  hostArchitecture.trustedClock,
  // without bpf: systemd would load a program at each boot for a setting that is not used (RestrictFileSystems=)
  'lsm=landlock,lockdown,yama,ipe',
  // hardening of the kernel, also against root (docs/reference/hardening.md)
  'lockdown=confidentiality',
  'module.sig_enforce=1',
  'mitigations=auto,nosmt',
  'slab_nomerge',
  'page_alloc.shuffle=1',
  'proc_mem.force_override=never',
  'bdev_allow_write_mounted=0',
  'debugfs=off',
  hostArchitecture.nativeProgramsOnly,
  'systemd.firstboot=off',
];

/** The parameters of the UKI with verity, and of that without. */
export const verityWords: Readonly<Record<Verity, readonly string[]>> = {
  on: ['dm_verity.require_signatures=1'],
  off: ['holdfast.verity=off'],
};

/** The user: sudo without a password, login with keys only. */
export const user = {
  name: 'holdfast',
  id: 1000,
  shell: '/bin/bash',
  home: '/home/holdfast',
  groups: ['adm', 'systemd-journal'],
} as const;
