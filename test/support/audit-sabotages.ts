import { sha256 } from '../../src/release/manifest.ts';
import { goodFacts } from './audit-evidence.ts';
import { added, changed, type Sabotage } from './audit-sabotage.ts';
import { bootSabotages } from './audit-sabotages-boot.ts';
import { diskSabotages } from './audit-sabotages-disk.ts';
import { networkSabotages } from './audit-sabotages-network.ts';
import { systemSabotages } from './audit-sabotages-system.ts';

const { configuration, channelKeys } = goodFacts;

export const sabotages: readonly Sabotage[] = [
  {
    what: 'a dpkg',
    by: 'mistake',
    guest: added('package-managers', '/etc/dpkg'),
    fails: ['no-package-manager'],
  },
  {
    what: 'a search that finds nothing',
    by: 'mistake',
    guest: { 'package-managers': '' },
    fails: ['no-package-manager'],
  },
  {
    what: 'access to the host TPM that is not configured',
    by: 'mistake',
    guest: { tpm: 'answer 0x143' },
    fails: ['tpm'],
  },
  {
    what: 'another TPM',
    by: 'attacker',
    guest: { tpm: '/dev/tpm0\n/dev/tpmrm0\n/dev/tpm1\nanswer ' },
    fails: ['tpm'],
  },
  {
    what: 'a release of an earlier epoch runs',
    by: 'mistake',
    host: { configuration: { ...configuration, epoch: 2 } },
    fails: ['release-signed'],
  },
  {
    what: 'another release runs',
    by: 'attacker',
    guest: { 'release-version': '12.1' },
    fails: ['release-signed'],
  },
  {
    what: 'machine.json names another release',
    by: 'mistake',
    host: { configuration: { ...configuration, release: sha256.parse('ab'.repeat(32)) } },
    fails: ['release-signed'],
  },
  ...bootSabotages,
  ...diskSabotages,
  ...networkSabotages,
  ...systemSabotages,
  {
    what: 'passwords by SSH',
    by: 'mistake',
    guest: changed('sshd', 'passwordauthentication no', 'passwordauthentication yes'),
    fails: ['ssh-no-passwords'],
  },
  {
    what: 'root by SSH',
    by: 'mistake',
    guest: changed('sshd', 'permitrootlogin no', 'permitrootlogin yes'),
    fails: ['ssh-root-refused'],
  },
  {
    what: "a user's own keys",
    by: 'attacker',
    guest: changed('sshd', 'authorizedkeysfile none', 'authorizedkeysfile .ssh/authorized_keys'),
    fails: ['ssh-root-refused'],
  },
  {
    what: 'a password',
    by: 'mistake',
    guest: changed('passwords', 'holdfast *', 'holdfast set'),
    fails: ['no-passwords'],
  },
  {
    what: 'an empty password',
    by: 'attacker',
    guest: changed('passwords', 'root *', 'root empty'),
    fails: ['no-passwords'],
  },
  {
    what: 'no account root',
    by: 'mistake',
    guest: changed('passwords', 'root *\n', ''),
    fails: ['no-passwords'],
  },
  {
    what: 'a key shared with another machine',
    by: 'mistake',
    host: { otherKeys: { twin: channelKeys } },
    fails: ['ssh-keys-unique'],
  },
  {
    what: 'the keys of this machine in another that an attacker made',
    by: 'attacker',
    host: { otherKeys: { clone: { ...channelKeys, hostKey: 'cc' } } },
    fails: ['ssh-keys-unique'],
  },
  {
    what: 'one key for both ends',
    by: 'mistake',
    host: { channelKeys: { identity: 'aa', hostKey: 'aa' }, otherKeys: {} },
    fails: ['ssh-keys-unique', 'ssh-keys-pinned'],
  },
  {
    what: 'another host key',
    by: 'mistake',
    guest: changed('keys', 'AAAAIHtx', 'AAAAIHty'),
    fails: ['ssh-keys-pinned'],
  },
  {
    what: 'another key let in',
    by: 'attacker',
    guest: changed('keys', 'AAAAIONj', 'AAAAIONk'),
    fails: ['ssh-keys-pinned'],
  },
  {
    what: 'no listener on the channel',
    by: 'mistake',
    guest: { 'vsock-listeners': '' },
    fails: ['channel-not-on-network'],
  },
  {
    what: 'another vsock port',
    by: 'attacker',
    guest: added('vsock-listeners', 'v_str LISTEN 0      0      *:23 *:*   '),
    fails: ['channel-not-on-network'],
  },
  { what: 'a login prompt', by: 'mistake', guest: added('processes', 'agetty'), fails: ['no-login-prompt'] },
  {
    what: 'a private key that others can read',
    by: 'mistake',
    host: {
      access: [
        ...goodFacts.access,
        { path: 'machines/default/secrets/guest-host-key', kind: 'file', mode: 0o640 },
      ],
    },
    fails: ['secrets-private'],
  },
  {
    what: 'a certificate that others can write',
    by: 'attacker',
    host: {
      access: [...goodFacts.access, { path: 'keys/platform/certificate.pem', kind: 'file', mode: 0o666 }],
    },
    fails: ['secrets-private'],
  },
  {
    what: 'a home that others can write',
    by: 'mistake',
    host: {
      access: goodFacts.access.map((each) => (each.path === '.' ? { ...each, mode: 0o777 } : each)),
    },
    fails: ['secrets-private'],
  },
  {
    what: 'a private key given to another user',
    by: 'mistake',
    host: {
      access: [
        ...goodFacts.access,
        { path: 'keys/release/private.pem', kind: 'file', mode: 0o600, stranger: 65534 },
      ],
    },
    fails: ['secrets-private'],
  },
  {
    what: 'a private key that is a link',
    by: 'attacker',
    host: { access: [...goodFacts.access, { path: 'keys/release/private.pem', kind: 'other', mode: 0o777 }] },
    fails: ['secrets-private'],
  },
  {
    what: 'a home below a directory of another user',
    by: 'attacker',
    host: { exposed: ['/home/other belongs to user 1000'] },
    fails: ['secrets-private'],
  },
  { what: 'no secrets', by: 'mistake', host: { access: [] }, fails: ['secrets-private'] },
];
