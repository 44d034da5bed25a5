import { lines, matching, type Probe } from './guest-probe.ts';

/** Expected kernel settings (sysctl(8)): those of `image/rootfs/etc/sysctl.d/50-holdfast.conf`, with which a test compares them. */
export const kernelSettings = {
  'kernel.kptr_restrict': '2',
  'kernel.dmesg_restrict': '1',
  'kernel.perf_event_paranoid': '3',
  'kernel.sysrq': '0',
  'kernel.core_pattern': '|/bin/false',
  'kernel.core_uses_pid': '1',
  'fs.suid_dumpable': '0',
  'kernel.modprobe': '/sbin/modprobe',
  'kernel.poweroff_cmd': '/sbin/poweroff',
  'kernel.kexec_load_disabled': '1',
  'kernel.unprivileged_bpf_disabled': '1',
  'kernel.io_uring_disabled': '2',
  'dev.tty.ldisc_autoload': '0',
  'dev.tty.legacy_tiocsti': '0',
  'vm.unprivileged_userfaultfd': '0',
  'kernel.randomize_va_space': '2',
  'vm.mmap_rnd_bits': '32',
  'vm.mmap_rnd_compat_bits': '16',
  'net.core.bpf_jit_harden': '2',
  'kernel.panic_on_oops': '1',
  'kernel.yama.ptrace_scope': '2',
  'fs.protected_symlinks': '1',
  'fs.protected_hardlinks': '1',
  'fs.protected_fifos': '2',
  'fs.protected_regular': '2',
  'net.ipv4.conf.all.rp_filter': '1',
  'net.ipv4.conf.default.rp_filter': '1',
  'net.ipv4.conf.all.accept_redirects': '0',
  'net.ipv4.conf.default.accept_redirects': '0',
  'net.ipv4.conf.all.secure_redirects': '0',
  'net.ipv4.conf.default.secure_redirects': '0',
  'net.ipv4.conf.all.send_redirects': '0',
  'net.ipv4.conf.default.send_redirects': '0',
  'net.ipv4.conf.all.accept_source_route': '0',
  'net.ipv4.conf.default.accept_source_route': '0',
  'net.ipv4.tcp_rfc1337': '1',
  'net.ipv4.conf.all.log_martians': '1',
  'net.ipv4.conf.default.log_martians': '1',
  'net.ipv6.conf.all.accept_redirects': '0',
  'net.ipv6.conf.default.accept_redirects': '0',
  'net.ipv6.conf.all.accept_source_route': '0',
  'net.ipv6.conf.default.accept_source_route': '0',
  'net.ipv6.conf.all.accept_ra': '0',
  'net.ipv6.conf.default.accept_ra': '0',
} as const;

/** Settings that decide about core dumps: a claim of their own. */
export const coreSettings = ['kernel.core_pattern', 'kernel.core_uses_pid', 'fs.suid_dumpable'] as const;

/** The settings of the running kernel. No program is started. */
export const runningSettings: Probe<ReadonlyMap<string, string>> = {
  name: 'kernel-settings',
  command: `for key in ${Object.keys(kernelSettings).join(' ')}; do
    read -r value <"/proc/sys/\${key//.//}" && echo "$key $value"
  done`,
  form: lines(
    matching(/^([a-z0-9_.]{1,100}) (.{1,200})$/, ([key = '', value = '']) => [key, value] as const),
  ).transform((pairs) => new Map(pairs)),
};

/** Returns the settings that differ from the expected values. */
export function settingProblems(
  running: ReadonlyMap<string, string>,
  isMeant: (key: string) => boolean,
): string[] {
  return Object.entries(kernelSettings)
    .filter(([key, value]) => isMeant(key) && running.get(key) !== value)
    .map(([key, value]) => `${key} is ${running.get(key) ?? 'unset'} instead of ${value}`);
}
