import { vendors } from '../../../src/firmware/names.ts';
import type { GuestSabotage } from './sabotages.ts';

/** Returns shell lines that mount a file with this content over another. */
function instead(path: string, content: string): string {
  return `file=$(mktemp -p /run); printf '${content}' >"$file"; mount --bind "$file" ${path}; rm "$file"`;
}

/** Returns a sabotage that creates a file with this content, and its directory if it is missing. */
function newFile(path: string, content: string): Pick<GuestSabotage, 'sabotage' | 'undo'> {
  const directory = path.slice(0, path.lastIndexOf('/'));
  return {
    sabotage: `[ -d ${directory} ] || mkdir ${directory}; printf '${content}' >${path}; chmod 755 ${path}`,
    undo: `rm ${path}; rmdir --ignore-fail-on-non-empty ${directory}`,
  };
}

/** Changes to accounts, units, libraries, mounts, the kernel and the boot partitions. */
export const systemInGuest: readonly GuestSabotage[] = [
  {
    what: 'a password',
    by: 'mistake',
    sabotage: 'cp -p /etc/shadow /run/shadow; sed -i "s/^holdfast:[^:]*:/holdfast:\\$y\\$x:/" /etc/shadow',
    undo: 'cp -p /run/shadow /etc/shadow; rm /run/shadow',
    fails: ['no-passwords'],
  },
  {
    what: 'an SSH server that takes passwords and root',
    by: 'mistake',
    sabotage:
      'cp -p /etc/ssh/sshd_config /run/; sed -i "s/^PasswordAuthentication no/PasswordAuthentication yes/; s/^PermitRootLogin no/PermitRootLogin yes/" /etc/ssh/sshd_config',
    undo: 'cp -p /run/sshd_config /etc/ssh/; rm /run/sshd_config',
    fails: ['ssh-no-passwords', 'ssh-root-refused'],
    shows: /sshd has passwordauthentication yes/,
  },
  {
    what: 'rules of the SSH server for one account',
    by: 'attacker',
    sabotage: `printf 'Match User root\\n  PermitRootLogin yes\\n  AuthorizedKeysFile /root/keys\\n' >>/etc/ssh/sshd_config`,
    undo: 'true', // the sabotage before restores the file
    fails: ['ssh-no-passwords', 'ssh-root-refused'],
    shows: /condition or another file: Match User root/,
  },
  {
    what: 'a second account with the number of root',
    by: 'attacker',
    sabotage: 'cp -p /etc/passwd /run/passwd; echo "toor:x:0:0::/root:/bin/bash" >>/etc/passwd',
    undo: 'cp -p /run/passwd /etc/passwd; rm /run/passwd',
    fails: ['accounts'],
    shows: /toor has uid 0/,
  },
  {
    what: 'a file of sudoers',
    by: 'attacker',
    sabotage: 'echo "# nothing" >/etc/sudoers.d/audit; chmod 440 /etc/sudoers.d/audit',
    undo: 'rm /etc/sudoers.d/audit',
    fails: ['privilege-files'],
    shows: /sudoers\.d\/audit was added/,
  },
  {
    what: 'a drop-in of the SSH server',
    by: 'attacker',
    ...newFile('/etc/systemd/system/sshd-vsock@.service.d/audit.conf', '[Service]\\n'),
    fails: ['units-as-shipped', 'ssh-root-refused'],
    shows: /sshd-vsock@\.service\.d\/audit\.conf was added/,
  },
  {
    what: 'a masked service',
    by: 'mistake',
    sabotage: 'ln -s /dev/null /etc/systemd/system/systemd-journald@.service',
    undo: 'rm /etc/systemd/system/systemd-journald@.service',
    fails: ['units-as-shipped'],
    shows: /systemd-journald@\.service was added/,
  },
  {
    what: 'a generator of units',
    by: 'attacker',
    ...newFile('/etc/systemd/system-generators/audit', '#!/bin/sh\\n'),
    fails: ['units-as-shipped'],
    shows: /system-generators\/audit was added/,
  },
  {
    what: 'a list of preloaded libraries',
    by: 'attacker',
    sabotage: ': >/etc/ld.so.preload',
    undo: 'rm /etc/ld.so.preload',
    fails: ['libraries-of-root'],
    shows: /ld\.so\.preload was added/,
  },
  {
    what: 'a further directory of libraries',
    by: 'mistake',
    sabotage: 'echo /var/lib/own >/etc/ld.so.conf.d/audit.conf',
    undo: 'rm /etc/ld.so.conf.d/audit.conf',
    fails: ['libraries-of-root'],
    shows: /ld\.so\.conf\.d\/audit\.conf was added/,
  },
  {
    what: 'another file system over /logs',
    by: 'mistake',
    sabotage: 'mount -t tmpfs -o nosuid,nodev none /logs',
    undo: 'umount /logs',
    fails: ['logs-on-log'],
  },
  {
    what: 'a directory over programs of the root',
    by: 'attacker',
    sabotage: 'mkdir /run/other; mount --bind /run/other /opt',
    undo: 'umount /opt; rmdir /run/other',
    fails: ['root-not-shadowed'],
    shows: /mounted over \/opt/,
  },
  {
    what: 'a memory file system with set-user-ID files',
    by: 'mistake',
    sabotage: 'mkdir /run/audit-suid; mount -t tmpfs none /run/audit-suid',
    undo: 'umount /run/audit-suid; rmdir /run/audit-suid',
    fails: ['no-setuid-outside-root'],
    shows: /\/run\/audit-suid is not nosuid/,
  },
  {
    what: 'a package manager in an overlay',
    by: 'mistake',
    sabotage: 'printf "#!/bin/sh\\n" >/etc/apt-get; chmod +x /etc/apt-get',
    undo: 'rm /etc/apt-get',
    fails: ['no-package-manager'],
  },
  {
    what: 'a login prompt',
    by: 'mistake',
    sabotage:
      "systemd-run --quiet --unit=audit-login bash -c 'echo login >/proc/self/comm; sleep 600 & wait'; sleep 1",
    undo: 'systemctl stop audit-login',
    fails: ['no-login-prompt'],
  },
  {
    what: 'a second mount over /home',
    by: 'mistake',
    sabotage: 'mount --bind /home /home',
    undo: 'umount --lazy /home',
    fails: ['overlay-home'],
  },
  {
    what: 'a /root that is in memory',
    by: 'attacker',
    sabotage: 'mount -t tmpfs -o nosuid,nodev,mode=0700 none /root',
    undo: 'umount --lazy /root',
    fails: ['overlay-root'],
  },
  {
    what: 'a firmware that says that Secure Boot is off',
    by: 'attacker',
    sabotage: instead(`/sys/firmware/efi/efivars/SecureBoot-${vendors.global}`, '\\6\\0\\0\\0\\0'),
    undo: `umount /sys/firmware/efi/efivars/SecureBoot-${vendors.global}`,
    fails: ['root-not-shadowed'],
    also: ['secure-boot'],
    shows: /mounted over \/sys\/firmware/,
  },
  {
    what: 'a kernel that is not locked down',
    by: 'attacker',
    sabotage: instead('/sys/kernel/security/lockdown', '[none] integrity confidentiality\\n'),
    undo: 'umount /sys/kernel/security/lockdown',
    fails: ['root-not-shadowed'],
    also: ['lockdown'],
    shows: /mounted over \/sys\/kernel\/security\/lockdown/,
  },
  {
    what: 'a kernel that takes root hashes without a signature',
    by: 'attacker',
    sabotage: instead('/sys/module/dm_verity/parameters/require_signatures', 'N\\n'),
    undo: 'umount /sys/module/dm_verity/parameters/require_signatures',
    fails: ['root-not-shadowed'],
    also: ['root-signature'],
    shows: /mounted over \/sys\/module\/dm_verity/,
  },
  {
    what: 'settings of the kernel that allow every user to debug',
    by: 'mistake',
    sabotage: 'echo 0 >/proc/sys/kernel/yama/ptrace_scope; echo 0 >/proc/sys/kernel/io_uring_disabled',
    undo: 'echo 2 >/proc/sys/kernel/yama/ptrace_scope; echo 2 >/proc/sys/kernel/io_uring_disabled',
    fails: ['kernel-settings'],
    shows: /ptrace_scope is 0/,
  },
  {
    what: 'a program of the attacker that the kernel runs to load modules',
    by: 'attacker',
    sabotage: 'echo /home/x >/proc/sys/kernel/modprobe',
    undo: 'echo /sbin/modprobe >/proc/sys/kernel/modprobe',
    fails: ['kernel-settings'],
    shows: /kernel\.modprobe is \/home\/x/,
  },
  {
    what: 'core dumps that a program of the attacker gets',
    by: 'attacker',
    sabotage: "echo '|/home/x' >/proc/sys/kernel/core_pattern; echo 2 >/proc/sys/fs/suid_dumpable",
    undo: "echo '|/bin/false' >/proc/sys/kernel/core_pattern; echo 0 >/proc/sys/fs/suid_dumpable",
    fails: ['no-core-dumps'],
    shows: /core_pattern is \|\/home\/x/,
  },
  {
    what: 'a loader of zeros',
    by: 'attacker',
    sabotage: `dd if=/dev/vda1 of=/run/audit-loader bs=1M count=1 status=none
      dd if=/dev/zero of=/dev/vda1 bs=1M count=1 conv=fsync status=none`,
    undo: 'dd if=/run/audit-loader of=/dev/vda1 bs=1M conv=fsync status=none; rm /run/audit-loader',
    fails: ['partition-bootefia'],
    shows: /it is empty/,
  },
  {
    what: 'a boot partition with one changed byte',
    by: 'attacker',
    sabotage: `dd if=/dev/vda2 of=/run/audit-boot bs=4k skip=3000 count=1 status=none
      dd if=/dev/urandom of=/dev/vda2 bs=4k seek=3000 count=1 conv=fsync status=none`,
    undo: 'dd if=/run/audit-boot of=/dev/vda2 bs=4k seek=3000 conv=fsync status=none; rm /run/audit-boot',
    fails: ['partition-boota'],
    shows: /no release has its content/,
  },
];
