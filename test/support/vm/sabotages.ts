import { randomBytes } from 'node:crypto';
import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { channelKeyFiles } from '../../../src/channel/keys.ts';
import { vendors } from '../../../src/firmware/names.ts';
import { machinePaths, parseMachineName } from '../../../src/machine/paths.ts';
import { home, sharedName } from './machine.ts';

/*
 * Changes to the shared machine that make its audit fail, and how to undo them.
 */

interface Sabotage {
  readonly what: string;
  /** The claims that fail because of it, and of no other change here. */
  readonly fails: readonly string[];
}

export interface GuestSabotage extends Sabotage {
  /** Shell lines, run as root. */
  readonly sabotage: string;
  readonly undo: string;
}

export interface HostSabotage extends Sabotage {
  /** @returns a function that undoes it. */
  sabotage(): Promise<() => Promise<void>>;
}

const files = machinePaths(home, sharedName);

/** Returns shell lines that mount a file with this content over another. */
function instead(path: string, content: string): string {
  return `file=$(mktemp -p /run); printf '${content}' >"$file"; mount --bind "$file" ${path}; rm "$file"`;
}

/** Changes a text file on the host. */
function rewritten(
  path: string,
  change: (text: string) => string | Promise<string>,
): HostSabotage['sabotage'] {
  return async () => {
    const text = await readFile(path, 'utf8');
    await writeFile(path, await change(text));
    return () => writeFile(path, text);
  };
}

/** An Ed25519 public key without a known private key, in OpenSSH's format (RFC 8709 section 4). */
function anyPublicKey(): string {
  const type = Buffer.from('ssh-ed25519');
  const field = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
  return `${type} ${Buffer.concat([field(type), field(randomBytes(32))]).toString('base64')} other\n`;
}

export const inGuest: readonly GuestSabotage[] = [
  {
    what: 'a packet filter that accepts all packets',
    sabotage: 'iptables -P INPUT ACCEPT',
    undo: 'iptables -P INPUT DROP',
    fails: ['firewall-input-ipv4'],
  },
  {
    what: 'a hole for IPv6, and a way through',
    sabotage: 'ip6tables -A INPUT -p tcp --dport 80 -j ACCEPT; ip6tables -P FORWARD ACCEPT',
    undo: 'ip6tables -D INPUT -p tcp --dport 80 -j ACCEPT; ip6tables -P FORWARD DROP',
    fails: ['firewall-input-ipv6', 'firewall-forward-ipv6'],
  },
  {
    what: 'a service that listens',
    sabotage:
      'systemd-run --quiet --unit=audit-listener --socket-property=ListenStream=0.0.0.0:4444 /bin/true',
    undo: 'systemctl stop audit-listener.socket',
    fails: ['no-listeners'],
  },
  {
    what: 'a password',
    sabotage: 'cp -p /etc/shadow /run/shadow; sed -i "s/^holdfast:[^:]*:/holdfast:\\$y\\$x:/" /etc/shadow',
    undo: 'cp -p /run/shadow /etc/shadow; rm /run/shadow',
    fails: ['no-passwords'],
  },
  {
    what: 'an SSH server that takes passwords and root',
    sabotage:
      'cp -p /etc/ssh/sshd_config /run/; sed -i "s/^PasswordAuthentication no/PasswordAuthentication yes/; s/^PermitRootLogin no/PermitRootLogin yes/" /etc/ssh/sshd_config',
    undo: 'cp -p /run/sshd_config /etc/ssh/; rm /run/sshd_config',
    fails: ['ssh-no-passwords', 'ssh-root-refused'],
  },
  {
    what: 'another file system over /logs',
    sabotage: 'mount -t tmpfs -o nosuid,nodev none /logs',
    undo: 'umount /logs',
    fails: ['logs-on-log'],
  },
  {
    what: 'a directory over programs of the root',
    sabotage: 'mkdir /run/other; mount --bind /run/other /opt',
    undo: 'umount /opt; rmdir /run/other',
    fails: ['root-not-shadowed'],
  },
  {
    what: 'a package manager in an overlay',
    sabotage: 'printf "#!/bin/sh\\n" >/etc/apt-get; chmod +x /etc/apt-get',
    undo: 'rm /etc/apt-get',
    fails: ['no-package-manager'],
  },
  {
    what: 'a login prompt',
    sabotage:
      "systemd-run --quiet --unit=audit-login bash -c 'echo login >/proc/self/comm; sleep 600 & wait'; sleep 1",
    undo: 'systemctl stop audit-login',
    fails: ['no-login-prompt'],
  },
  {
    what: 'a packet filter that lets everything through',
    sabotage: 'iptables -I FORWARD -j ACCEPT',
    undo: 'iptables -D FORWARD -j ACCEPT',
    fails: ['firewall-forward-ipv4'],
  },
  {
    what: 'another service on the channel',
    sabotage: 'systemd-run --quiet --unit=audit-channel --socket-property=ListenStream=vsock::4444 /bin/true',
    undo: 'systemctl stop audit-channel.socket',
    fails: ['channel-not-on-network'],
  },
  {
    what: 'a second mount over /home',
    sabotage: 'mount --bind /home /home',
    undo: 'umount --lazy /home',
    fails: ['overlay-home'],
  },
  {
    what: 'a /root that is in memory',
    sabotage: 'mount -t tmpfs -o nosuid,nodev,mode=0700 none /root',
    undo: 'umount --lazy /root',
    fails: ['overlay-root'],
  },
  {
    what: 'a firmware that says that Secure Boot is off',
    sabotage: instead(`/sys/firmware/efi/efivars/SecureBoot-${vendors.global}`, '\\6\\0\\0\\0\\0'),
    undo: `umount /sys/firmware/efi/efivars/SecureBoot-${vendors.global}`,
    fails: ['secure-boot'],
  },
  {
    what: 'a kernel that is not locked down',
    sabotage: instead('/sys/kernel/security/lockdown', '[none] integrity confidentiality\\n'),
    undo: 'umount /sys/kernel/security/lockdown',
    fails: ['lockdown'],
  },
  {
    what: 'a kernel that takes root hashes without a signature',
    sabotage: instead('/sys/module/dm_verity/parameters/require_signatures', 'N\\n'),
    undo: 'umount /sys/module/dm_verity/parameters/require_signatures',
    fails: ['root-signature'],
  },
];

export const onHost: readonly HostSabotage[] = [
  {
    what: 'a private key that others can read',
    fails: ['secrets-private'],
    sabotage: async () => {
      const key = channelKeyFiles(files.secrets).identity;
      await chmod(key, 0o644);
      return () => chmod(key, 0o600);
    },
  },
  {
    what: 'another host key on record',
    fails: ['ssh-keys-pinned'],
    sabotage: rewritten(channelKeyFiles(files.secrets).hostKeyPublic, anyPublicKey),
  },
  {
    what: 'another machine with the same keys',
    fails: ['ssh-keys-unique'],
    sabotage: async () => {
      const { directory, secrets } = machinePaths(home, parseMachineName('audit-twin'));
      await mkdir(directory, { mode: 0o700 });
      await cp(files.secrets, secrets, { recursive: true });
      return () => rm(directory, { recursive: true });
    },
  },
  {
    what: 'another platform key than the machine was deployed with',
    fails: ['secure-boot-keys'],
    sabotage: rewritten(join(home.keys, 'platform', 'certificate.pem'), () =>
      readFile(join(home.keys, 'release', 'certificate.pem'), 'utf8'),
    ),
  },
  {
    what: 'a disk of another size than was asked for',
    fails: ['partition-data'],
    sabotage: rewritten(files.configuration, (text) => {
      const configuration = JSON.parse(text) as { dataSize: number };
      return JSON.stringify({ ...configuration, dataSize: configuration.dataSize + 2 ** 30 });
    }),
  },
];
