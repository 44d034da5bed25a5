import * as z from 'zod';
import { channels } from '../../channel/channels.ts';
import { loadSocketModules } from '../../guest/socket-modules.ts';
import { systemRoot } from '../../guest/system-root.ts';
import type { Transport } from '../../hypervisor/hypervisor.ts';
import { bootedRelease } from '../booted-release.ts';
import { defineClaim, off, unless } from '../claim.ts';
import { describeChange, etcChanges, etcFiles } from '../etc-files.ts';
import { guestFile } from '../guest-file.ts';
import { lines, matching, type Probe } from '../guest-probe.ts';
import { type ChannelKeyDigests, keyDigest } from '../host-facts.ts';
import { bootedHash } from './root.ts';

/** Effective settings of sshd without conditions: each keyword with its values. */
const sshd: Probe<ReadonlyMap<string, readonly string[]>> = {
  name: 'sshd',
  command: `${guestFile('/etc/ssh/sshd_config')}
  timeout 20 sshd -G -f "$file"`,
  form: lines(
    matching(/^([a-z0-9]+) (.{1,4000})$/, ([key = '', value = '']) => [key, value] as const),
  ).transform((pairs) => {
    const settings = new Map<string, string[]>();
    for (const [key, value] of pairs) settings.set(key, [...(settings.get(key) ?? []), value]);
    return settings;
  }),
};

/**
 * Lines that make the configuration depend on the user, the address or another file. The shipped one has none: so what `sshd`
 * shows applies to root, and to any account, from everywhere. sshd joins what follows a NUL to what precedes it: two lines can be
 * one word.
 */
const conditions: Probe<readonly string[]> = {
  name: 'sshd-conditions',
  command: `${guestFile('/etc/ssh/sshd_config')}
  while read -r line || [ "$line" ]; do
    case \${line,,} in '#'*) ;; *match* | *include*) printf '%s\\n' "$line" ;; esac
  done <"$file"
  ! IFS= read -r -d '' line <"$file" || echo 'a NUL byte'`,
  form: lines(matching(/^(\P{C}{1,1000})$/u, ([line = '']) => line)),
};

/** Name and password state of each account (shadow(5)), and of those whose line in passwd(5) has a password; hashes are not printed. */
const passwords: Probe<readonly { readonly user: string; readonly password: string }[]> = {
  name: 'passwords',
  command: `${guestFile('/etc/shadow')}
  while IFS=: read -r user password rest || [ "$user" ]; do
    case $password in '*' | '!' | '!*' | '!!') ;; '') password=empty ;; *) password=set ;; esac
    echo "$user $password"
  done <"$file"
  ${guestFile('/etc/passwd')}
  while IFS=: read -r user password rest || [ "$user" ]; do
    case $password in x) ;; '') echo "$user empty" ;; *) echo "$user set" ;; esac
  done <"$file"`,
  form: lines(
    matching(/^([a-z_][a-z0-9_-]{0,31}) (\S{1,5})$/, ([user = '', password = '']) => ({ user, password })),
  ),
};

/** Public halves of the guest's keys: its host key, and the one authorized key. */
const guestKeys: Probe<{ readonly hostKey: string; readonly authorized: string }> = {
  name: 'keys',
  command: `ssh-keygen -y -f ${systemRoot}/run/credentials/@system/holdfast.host-key
    cat ${systemRoot}/run/credentials/@system/holdfast.authorized-keys`,
  form: matching(/^(ssh-ed25519 .{1,200})\n(ssh-ed25519 .{1,200})$/, ([hostKey = '', authorized = '']) => ({
    hostKey,
    authorized,
  })),
};

/** The vsock ports on which a machine listens. Over TCP, the management channel does not listen on vsock. */
const expectedPorts = {
  vsock: [channels.user.port, channels.management.port],
  tcp: [channels.user.port],
} as const satisfies Readonly<Record<Transport, readonly number[]>>;

/** ss(8): the vsock ports that the guest listens on. */
const vsockListeners: Probe<readonly number[]> = {
  name: 'vsock-listeners',
  command: `${loadSocketModules('vsock')}; ss -Hl --vsock`,
  form: lines(matching(/^v_str +LISTEN +\d+ +\d+ +\S+:(\d{1,10}) +\S+ *$/, ([port]) => Number(port))),
};

const processes: Probe<readonly string[]> = {
  name: 'processes',
  command: 'for file in /proc/[0-9]*/comm; do read -r name <"$file" && echo "$name"; done 2>/dev/null; true',
  form: lines(z.string().max(64)).refine((names) => names.includes('systemd'), 'no processes are listed'),
};

type Settings = ReadonlyMap<string, readonly string[]>;

function wrongSettings(settings: Settings, wanted: Readonly<Record<string, string>>): string[] {
  return Object.entries(wanted)
    .filter(([key, value]) => settings.get(key)?.join(' ') !== value)
    .map(([key]) => `sshd has ${key} ${settings.get(key)?.join(' ') ?? 'unset'}`);
}

const keysOnly = {
  passwordauthentication: 'no',
  kbdinteractiveauthentication: 'no',
  permitemptypasswords: 'no',
  pubkeyauthentication: 'yes',
  hostbasedauthentication: 'no',
  gssapiauthentication: 'no',
  kerberosauthentication: 'no',
  authenticationmethods: 'publickey',
};

const theOneKey = {
  permitrootlogin: 'no',
  allowusers: 'holdfast',
  authorizedkeysfile: 'none',
  authorizedkeyscommand: '/usr/bin/cat /run/credentials/@system/holdfast.authorized-keys',
  trustedusercakeys: 'none',
  hostkey: '/run/credentials/@system/holdfast.host-key',
};

/** Settings that let a user or a forced command change what a login does. */
const noDetours = {
  forcecommand: 'none',
  permituserenvironment: 'no',
  permituserrc: 'no',
  authorizedprincipalsfile: 'none',
  authorizedprincipalscommand: 'none',
  chrootdirectory: 'none',
} as const;

function conditionText(line: string): string {
  return `sshd has a condition or another file: ${line}`;
}

const unique =
  'The certificate is created during EFLOW deployment process, and is unique for each EFLOW installation.';
const noPasswords =
  "By default, the virtual machine SSH service won't allow authentication via username and password, and it's limited to certificate authentication.";
const hostOnly =
  'This limits the access of the SSH service, restricting connections to only the Windows host OS.';

export const sshClaims = [
  defineClaim({
    id: 'ssh-no-passwords',
    sentence: noPasswords,
    since: '0.1',
    looksAt: 'The configuration that sshd reads, in full.',
    fooledBy:
      'Root in the guest starts another server with other settings; `no-listeners` and `channel-not-on-network` name its socket.',
    notStopped: "Logins with the host's channel key, through the machine's socket on the host.",
    guest: { sshd, conditions },
    host: [],
    judge: (guest) =>
      unless(
        [...wrongSettings(guest.sshd, keysOnly), ...guest.conditions.map(conditionText)],
        'sshd accepts only public keys, from every user and address',
      ),
  }),
  defineClaim({
    id: 'no-passwords',
    sentence: noPasswords,
    since: '0.1',
    looksAt: 'The password fields of /etc/shadow and /etc/passwd.',
    fooledBy: 'Root in the guest: a program that grants access without a password is not an account.',
    notStopped: 'Root in the guest can set a password; it permits no login, and this check names it.',
    guest: { passwords },
    host: [],
    judge: ({ passwords }) => {
      const problems = passwords
        .filter(({ password }) => !['*', '!', '!*', '!!'].includes(password))
        .map(({ user, password }) =>
          password === 'empty' ? `${user} needs no password` : `${user} has a password`,
        );
      for (const user of ['root', 'holdfast'])
        if (!passwords.some((each) => each.user === user)) problems.push(`there is no account ${user}`);
      return unless(problems, `none of ${passwords.length} accounts has a password`);
    },
  }),
  defineClaim({
    id: 'ssh-root-refused',
    sentence: noPasswords,
    since: '0.1',
    looksAt: 'The configuration that sshd reads, in full.',
    fooledBy:
      'Root in the guest starts another server with other settings; `no-listeners` and `channel-not-on-network` name its socket.',
    notStopped: 'The user holdfast may become root with sudo: the host administers the guest.',
    guest: { sshd, conditions, etcFiles, bootedHash },
    host: ['releases'],
    judge: ({ sshd, conditions, etcFiles, bootedHash }, { releases }) => {
      const { etc } = bootedRelease(releases, bootedHash);
      const units = etcChanges('systemd', etcFiles, etc).filter(({ path }) => /\/sshd?[@.-]/.test(path));
      const problems = [
        ...wrongSettings(sshd, { ...theOneKey, ...noDetours }),
        ...conditions.map(conditionText),
        ...units.map(describeChange),
      ];
      const changed = etcChanges('ssh', etcFiles, etc).map(describeChange).join(', ');
      return unless(
        problems,
        `only the user holdfast may log in, with the one key of the credential; ${changed || 'the configuration is that of the release'}`,
      );
    },
  }),
  defineClaim({
    id: 'ssh-keys-unique',
    sentence: unique,
    since: '0.1',
    looksAt: 'The public keys of all machines of this HOLDFAST_HOME.',
    fooledBy: 'A user of the host who copies the keys to a place that this host cannot see.',
    notStopped: "Manual copies of the machine's directory on other hosts, which this host cannot see.",
    guest: {},
    host: ['channelKeys', 'otherKeys'],
    judge: (_guest, { channelKeys, otherKeys }) => {
      const ours = Object.values(channelKeys);
      const same = Object.entries(otherKeys).filter(([, keys]) =>
        Object.values(keys).some((key) => ours.includes(key)),
      );
      const problems = same.map(([name]) => `the machine ${name} shares a key with this machine`);
      if (channelKeys.identity === channelKeys.hostKey) problems.push('both ends have the same key');
      const others = Object.keys(otherKeys).length;
      return unless(problems, `two keys that none of the ${others} other machines of this host has`);
    },
  }),
  defineClaim({
    id: 'ssh-keys-pinned',
    sentence: unique,
    since: '0.1',
    looksAt:
      "The public half of the guest's host key, the authorized key of the credential, and both on the host.",
    fooledBy:
      'Root in the guest can show the expected keys and accept more; `ssh-root-refused` examines the configuration.',
    notStopped: "Root in the guest can read the guest's host key, and impersonate the guest.",
    guest: { guestKeys },
    host: ['channelKeys'],
    judge: ({ guestKeys }, { channelKeys }) => {
      const seen: ChannelKeyDigests = {
        hostKey: keyDigest(guestKeys.hostKey),
        identity: keyDigest(guestKeys.authorized),
      };
      const problems: string[] = [];
      if (seen.hostKey !== channelKeys.hostKey) problems.push('the guest has another host key');
      if (seen.identity !== channelKeys.identity) problems.push('the guest accepts another key');
      return unless(problems, 'the guest has the two keys of its deployment; the host accepts no other');
    },
  }),
  defineClaim({
    id: 'channel-not-on-network',
    sentence:
      'All communication over Hyper-V sockets runs between the Windows host OS and the EFLOW virtual machine, without using networking.',
    since: '0.1',
    looksAt: 'Listening vsock sockets.',
    fooledBy: 'Root in the guest closes the socket for the moment of the audit.',
    notStopped:
      "Other programs of the same user on the host can open the machine's socket; they need the key.",
    guest: { vsockListeners },
    host: ['configuration'],
    judge: ({ vsockListeners }, { configuration }) => {
      const expected: readonly number[] = expectedPorts[configuration.transport];
      const problems = vsockListeners
        .filter((port) => !expected.includes(port))
        .map((port) => `vsock port ${port} listens`);
      for (const port of expected)
        if (!vsockListeners.includes(port)) problems.push(`nothing listens on vsock port ${port}`);
      if (configuration.transport === 'tcp' && problems.length === 0)
        return off('deployed with --transport tcp: SSH is on TCP port 22, on a local address of this host');
      return unless(
        problems,
        `vsock ports ${expected.join(' and ')} listen alone; the machine was deployed with vsock`,
      );
    },
  }),
  defineClaim({
    id: 'no-login-prompt',
    sentence: hostOnly,
    since: '0.1',
    looksAt: 'The names of all processes.',
    fooledBy: 'Root in the guest can rename a process.',
    notStopped: 'The console can be read on the host: it shows messages of firmware and kernel.',
    guest: { processes },
    host: [],
    judge: ({ processes }) => {
      const prompts = processes.filter((name) => /^(?:[a-z]*getty|login|sulogin)$/.test(name));
      return unless(
        prompts.map((name) => `${name} waits for a login`),
        `none of ${processes.length} processes is a getty or login`,
      );
    },
  }),
] as const;
