import { z } from 'zod';
import { defineClaim, off, unless } from '../claim.ts';
import { lines, matching, type Probe } from '../guest-probe.ts';
import { type ChannelKeyDigests, keyDigest } from '../host-facts.ts';

/** Effective settings of sshd for the host's connection: each keyword with its values. */
const sshd: Probe<ReadonlyMap<string, readonly string[]>> = {
  name: 'sshd',
  command: 'sshd -T -C user=holdfast,host=host,addr=127.0.0.1',
  form: lines(
    matching(/^([a-z0-9]+) (.{1,4000})$/, ([key = '', value = '']) => [key, value] as const),
  ).transform((pairs) => {
    const settings = new Map<string, string[]>();
    for (const [key, value] of pairs) settings.set(key, [...(settings.get(key) ?? []), value]);
    return settings;
  }),
};

/** Name and password state of each account (shadow(5)); hashes are not printed. */
const passwords: Probe<readonly { readonly user: string; readonly password: string }[]> = {
  name: 'passwords',
  command: `while IFS=: read -r user password rest; do
    case $password in '*' | '!' | '!*' | '!!') ;; '') password=empty ;; *) password=set ;; esac
    echo "$user $password"
  done </etc/shadow`,
  form: lines(
    matching(/^([a-z_][a-z0-9_-]{0,31}) (\S{1,5})$/, ([user = '', password = '']) => ({ user, password })),
  ),
};

/** Public halves of the guest's keys: its host key, and the one authorized key. */
const guestKeys: Probe<{ readonly hostKey: string; readonly authorized: string }> = {
  name: 'keys',
  command: `ssh-keygen -y -f /run/credentials/@system/holdfast.host-key
    cat /run/credentials/@system/holdfast.authorized-keys`,
  form: matching(/^(ssh-ed25519 .{1,200})\n(ssh-ed25519 .{1,200})$/, ([hostKey = '', authorized = '']) => ({
    hostKey,
    authorized,
  })),
};

/** ss(8): the vsock ports that the guest listens on. */
const vsockListeners: Probe<readonly number[]> = {
  name: 'vsock-listeners',
  command: 'ss -Hl --vsock',
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
    notStopped: "Logins with the host's channel key, through the machine's socket on the host.",
    guest: { sshd },
    host: [],
    judge: (guest) => unless(wrongSettings(guest.sshd, keysOnly), 'sshd accepts only public keys'),
  }),
  defineClaim({
    id: 'no-passwords',
    sentence: noPasswords,
    since: '0.1',
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
    notStopped: 'The user holdfast may become root with sudo: the host administers the guest.',
    guest: { sshd },
    host: [],
    judge: (guest) =>
      unless(
        wrongSettings(guest.sshd, theOneKey),
        'only the user holdfast may log in, with the one key of the credential',
      ),
  }),
  defineClaim({
    id: 'ssh-keys-unique',
    sentence: unique,
    since: '0.1',
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
    notStopped:
      "Other programs of the same user on the host can open the machine's socket; they need the key.",
    guest: { vsockListeners },
    host: ['configuration'],
    judge: ({ vsockListeners }, { configuration }) => {
      const problems = vsockListeners
        .filter((port) => port !== 22)
        .map((port) => `vsock port ${port} listens`);
      if (!vsockListeners.includes(22)) problems.push('nothing listens on vsock port 22');
      if (configuration.transport === 'tcp' && problems.length === 0)
        return off('deployed with --transport tcp: SSH is on TCP port 22, on a local address of this host');
      return unless(problems, 'SSH listens on vsock port 22 alone; the machine was deployed with vsock');
    },
  }),
  defineClaim({
    id: 'no-login-prompt',
    sentence: hostOnly,
    since: '0.1',
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
