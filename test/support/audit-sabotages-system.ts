import assert from 'node:assert/strict';
import { etcAnswer, etcLines } from './audit-evidence-parts.ts';
import { added, changed, type Sabotage } from './audit-sabotage.ts';

function etcWith(...lines: readonly string[]): Record<string, string> {
  return { 'etc-files': etcAnswer([...etcLines, ...lines]) };
}

/** Returns the listing of /etc with a part of one line replaced. */
function etcChanged(from: string, to: string): Record<string, string> {
  assert.ok(
    etcLines.some((line) => line.includes(from)),
    `/etc has ${from}`,
  );
  return { 'etc-files': etcAnswer(etcLines.map((line) => line.replace(from, to))) };
}

/** Returns the listing of /etc with one more file. */
function file(path: string, mode = '644'): Record<string, string> {
  return etcWith(`f ${mode} 0 0 ${path} -> `, `${'00'.repeat(32)}  ${path}`);
}

function mounted(line: string): Record<string, string> {
  return added('mounts', line);
}

/** Kernel, units, accounts and other configuration with privileges. */
export const systemSabotages: readonly Sabotage[] = [
  {
    what: 'a module from elsewhere',
    by: 'attacker',
    guest: added('modules', 'dccp 0 -'),
    fails: ['modules-of-root'],
  },
  {
    what: 'a module that was built for another kernel',
    by: 'mistake',
    guest: added('modules', 'overlay 1 OE'),
    fails: ['modules-of-root'],
  },
  { what: 'a kernel that warned', by: 'mistake', guest: { taint: '512' }, fails: ['kernel-not-tainted'] },
  {
    what: 'a kernel with an unsigned module',
    by: 'attacker',
    guest: { taint: '8192' },
    fails: ['kernel-not-tainted'],
  },
  {
    what: 'debugging of all processes',
    by: 'mistake',
    guest: changed('kernel-settings', 'ptrace_scope 2', 'ptrace_scope 0'),
    fails: ['kernel-settings'],
  },
  {
    what: 'a program of the attacker that loads modules',
    by: 'attacker',
    guest: changed('kernel-settings', 'modprobe /sbin/modprobe', 'modprobe /home/x'),
    fails: ['kernel-settings'],
  },
  {
    what: 'io_uring for everybody',
    by: 'attacker',
    guest: changed('kernel-settings', 'io_uring_disabled 2', 'io_uring_disabled 0'),
    fails: ['kernel-settings'],
  },
  {
    what: 'core dumps in the current directory',
    by: 'mistake',
    guest: changed('kernel-settings', 'core_pattern |/bin/false', 'core_pattern core'),
    fails: ['no-core-dumps'],
  },
  {
    what: 'a program of the attacker for core dumps, of set-user-ID programs too',
    by: 'attacker',
    guest: {
      'kernel-settings': (
        changed('kernel-settings', '|/bin/false', '|/home/x')['kernel-settings'] ?? ''
      ).replace('suid_dumpable 0', 'suid_dumpable 2'),
    },
    fails: ['no-core-dumps'],
  },
  {
    what: 'no integrity policy',
    by: 'mistake',
    guest: changed('ipe', '1.0.0 1', '1.0.0 0'),
    fails: ['integrity-policy'],
  },
  {
    what: 'a second policy',
    by: 'attacker',
    guest: changed('ipe', 'policy holdfast 1.0.0 1', 'policy own 9.0.0 1\npolicy holdfast 1.0.0 0'),
    fails: ['integrity-policy'],
  },
  {
    what: 'a process 1 that may change the policy',
    by: 'attacker',
    guest: changed('ipe', '000001fdffffffff', '000001ffffffffff'),
    fails: ['integrity-policy'],
  },
  {
    what: 'a masked service',
    by: 'mistake',
    guest: etcWith('l 777 0 0 systemd/system/systemd-journald.service -> /dev/null'),
    fails: ['units-as-shipped'],
  },
  {
    what: 'a packet filter that does not start',
    by: 'attacker',
    guest: etcChanged(
      'f 644 0 0 systemd/system/firewall.service -> ',
      'l 777 0 0 systemd/system/firewall.service -> /dev/null',
    ),
    fails: ['units-as-shipped'],
  },
  {
    what: 'a drop-in for every service',
    by: 'attacker',
    guest: file('systemd/system/service.d/x.conf'),
    fails: ['units-as-shipped'],
  },
  {
    what: 'another command line of sshd for this boot',
    by: 'attacker',
    guest: added('runtime-units', 'system/sshd-vsock@.service.d/x.conf -> '),
    fails: ['units-as-shipped'],
  },
  {
    what: 'a drop-in for an alias of an alias of sshd',
    by: 'attacker',
    guest: etcWith(
      'l 777 0 0 systemd/system/two@.service -> /etc/systemd/system/one@.service',
      'l 777 0 0 systemd/system/one@.service -> sshd-vsock@.service',
      'f 644 0 0 systemd/system/two@.service.d/x.conf -> ',
    ),
    fails: ['units-as-shipped'],
  },
  {
    what: 'a drop-in for an alias that exists for this boot',
    by: 'attacker',
    guest: {
      ...file('systemd/system/log.service.d/x.conf'),
      ...added('runtime-units', 'system/log.service -> /usr/lib/systemd/system/systemd-journald.service'),
    },
    fails: ['units-as-shipped'],
  },
  {
    what: 'a generator',
    by: 'attacker',
    guest: file('systemd/system-generators/x', '755'),
    fails: ['units-as-shipped'],
  },
  {
    what: 'a drop-in for sshd',
    by: 'mistake',
    guest: file('systemd/system/sshd-vsock@.service.d/debug.conf'),
    fails: ['ssh-root-refused', 'units-as-shipped'],
  },
  {
    what: 'a preloaded library',
    by: 'attacker',
    guest: file('ld.so.preload'),
    fails: ['libraries-of-root'],
  },
  {
    what: 'libraries of a directory that was added',
    by: 'mistake',
    guest: file('ld.so.conf.d/local.conf'),
    fails: ['libraries-of-root'],
  },
  {
    what: 'a cache that names other libraries',
    by: 'attacker',
    guest: etcChanged('a4a4', 'b4a4'),
    fails: ['libraries-of-root'],
  },
  {
    what: 'a second account with uid 0',
    by: 'attacker',
    guest: added('accounts', 'toor:x:0:0::/root:/bin/bash'),
    fails: ['accounts'],
  },
  {
    what: 'an account of the system that may log in',
    by: 'attacker',
    guest: changed('accounts', 'systemd Network Management:/:/usr/sbin/nologin', ':/:/bin/sh'),
    fails: ['accounts'],
  },
  {
    what: 'a user in a group of the system',
    by: 'mistake',
    guest: changed('groups', 'sudo:x:27:', 'sudo:x:27:alice'),
    fails: ['accounts'],
  },
  {
    what: 'a user whose own group is one of the system',
    by: 'attacker',
    guest: added('accounts', 'eve:x:1001:6::/home/eve:/bin/bash'),
    fails: ['accounts'],
  },
  {
    what: 'an account of the system in the group of another',
    by: 'attacker',
    guest: changed('accounts', 'systemd-network:x:998:998', 'systemd-network:x:998:6'),
    fails: ['accounts'],
  },
  {
    what: 'a file of sudoers',
    by: 'attacker',
    guest: file('sudoers.d/zz', '440'),
    fails: ['privilege-files'],
  },
  {
    what: 'sudoers that others can write',
    by: 'mistake',
    guest: etcChanged('f 440 0 0 sudoers.d/holdfast', 'f 666 0 0 sudoers.d/holdfast'),
    fails: ['privilege-files'],
  },
  {
    what: 'sudoers too large for a digest, and a directory whose name looks like the digest of the release',
    by: 'attacker',
    guest: {
      'etc-files': etcAnswer([
        ...etcLines.filter((line) => line !== `${'a1'.repeat(32)}  sudoers.d/holdfast`),
        `d 755 0 0 sudoers.d/x -> \n${'a1'.repeat(32)}  sudoers.d/holdfast\nd 755 0 0 sudoers.d/y -> `,
      ]),
    },
    fails: ['privilege-files'],
  },
  ...['sudo.conf', 'request-key.d/x.conf', 'hosts.allow'].map(
    (path): Sabotage => ({
      what: `programs of the attacker in ${path}`,
      by: 'attacker',
      guest: file(path),
      fails: ['privilege-files'],
    }),
  ),
  {
    what: 'a module of the attacker for OpenSSL',
    by: 'attacker',
    guest: file('ssl/openssl.cnf'),
    fails: ['libraries-of-root'],
  },
  {
    what: 'a file of PAM with another content',
    by: 'attacker',
    guest: etcChanged('a2a2', 'b2a2'),
    fails: ['privilege-files'],
  },
  {
    what: 'rules of SSH for one user',
    by: 'attacker',
    guest: { 'sshd-conditions': 'Match User root' },
    fails: ['ssh-no-passwords', 'ssh-root-refused'],
  },
  {
    what: 'a file mounted over a node of the kernel',
    by: 'attacker',
    guest: mounted('99 22 0:21 /x /sys/kernel/security/lockdown rw,nosuid,nodev shared:18 - tmpfs tmpfs rw'),
    fails: ['root-not-shadowed'],
  },
  {
    what: 'a disk mounted over /opt',
    by: 'mistake',
    guest: mounted('99 27 254:8 /x /opt rw,nosuid,nodev,relatime shared:99 - ext4 /dev/vda8 rw'),
    fails: ['root-not-shadowed'],
  },
  {
    what: 'a disk with set-user-ID files',
    by: 'mistake',
    guest: mounted('99 28 254:16 / /var/disk rw,nodev,relatime shared:99 - ext4 /dev/vdb rw'),
    fails: ['no-setuid-outside-root'],
  },
  {
    what: 'set-user-ID files next to the containers, in a directory that they do not use',
    by: 'attacker',
    guest: mounted('99 28 0:99 / /var/lib/containers/storage/x rw,nodev,relatime shared:99 - tmpfs none rw'),
    fails: ['no-setuid-outside-root'],
  },
  {
    what: 'an interpreter of the attacker for sudo, with its rights',
    by: 'attacker',
    guest: { interpreters: 'aarch64 F\nx OCF' },
    fails: ['no-setuid-outside-root'],
  },
  {
    what: 'containers whose files every user can reach',
    by: 'mistake',
    guest: { 'container-storage': '755' },
    fails: ['no-setuid-outside-root'],
  },
  {
    what: 'a memory file system with devices',
    by: 'attacker',
    guest: mounted('99 23 0:99 / /run/x rw,relatime shared:99 - tmpfs none rw'),
    fails: ['no-setuid-outside-root'],
  },
  {
    what: 'a package manager next to the state of the overlays',
    by: 'attacker',
    guest: added('package-managers', '/var/.eflow/x/apk'),
    fails: ['no-package-manager'],
  },
  {
    what: 'a lower lockdown, which lets root read the memory of the kernel',
    by: 'attacker',
    guest: { lockdown: 'none [integrity] confidentiality' },
    fails: ['lockdown'],
  },
  {
    what: 'a machine-id that is not the one on Data',
    by: 'attacker',
    guest: { 'first-written': { code: 1, text: 'cmp: differ: byte 1, line 1' } },
    fails: ['etc-lasts'],
  },
  {
    what: 'a program that waits for passwords',
    by: 'attacker',
    guest: added('processes', 'login'),
    fails: ['no-login-prompt'],
  },
];
