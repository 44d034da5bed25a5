import type { GuestAnswer, GuestAnswers } from '../../src/audit/guest-probe.ts';
import type { HostFacts, HostFactTypes } from '../../src/audit/host-facts.ts';
import { keyDigest } from '../../src/audit/host-facts.ts';
import { kernelSettings } from '../../src/audit/kernel-settings.ts';
import { guid } from '../../src/base/guid.ts';
import { GiB } from '../../src/base/size.ts';
import { serializeTable } from '../../src/disk/gpt.ts';
import { diskSize, layout } from '../../src/disk/layout.ts';
import { createVariableStore } from '../../src/firmware/create.ts';
import { parseVariableStore } from '../../src/firmware/store.ts';
import { parseConfiguration } from '../../src/machine/configuration.ts';
import { releaseManifest, sha256 } from '../../src/release/manifest.ts';
import {
  established,
  etcAnswer,
  etcLines,
  links,
  neighbours,
  releasedEtc,
  saved,
} from './audit-evidence-parts.ts';
import { certificate } from './certificate.ts';
import { storeFile } from './variable-store-file.ts';

/*
 * The answers of a healthy machine, and the facts of its host. Taken from a real machine; repetitions are shortened.
 */

export const rootHash = '4d2d980cabcba8adedc3f966944e612427f9ff3044facb2c883dade2d5e0c51c';

const hostKey =
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHtxNzLO1H9c3bOMUVYsk3gbcvo+nP/0d7lrgPcZg3yX holdfast guest';
const identity =
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIONjruzpJnrDu6YZWPKx94/8U0SCEHPzJKLsHQYEzWi2 holdfast host';

function overlay(name: string, id: number): string {
  const layers = `/sysroot/var/.eflow/overlays/${name}`;
  return `${id} 27 0:${id} / /${name} rw,nosuid,nodev,relatime shared:${id} - overlay overlay rw,lowerdir=/sysroot/${name},upperdir=${layers}/upper,workdir=${layers}/work,uuid=on`;
}

/** Answers of a healthy machine by the name of the probe. */
export const goodAnswers: Readonly<Record<string, string>> = {
  mounts: `22 27 0:6 / /dev rw,nosuid,noexec,relatime shared:8 - devtmpfs devtmpfs rw,size=456948k,mode=755
23 27 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:11 - proc proc rw
25 27 0:23 / /run rw,nosuid,nodev,relatime shared:18 - tmpfs tmpfs rw,mode=755,inode64
27 1 253:0 / / ro,relatime shared:1 - erofs /dev/dm-0 ro,user_xattr,acl,cache_strategy=readaround
28 27 254:8 / /var rw,nosuid,nodev,noatime shared:2 - ext4 /dev/vda8 rw,noinit_itable
29 27 254:7 / /logs rw,nosuid,nodev,noatime shared:4 - ext4 /dev/vda7 rw,noinit_itable
30 28 254:7 / /var/log rw,nosuid,nodev,noatime shared:3 - ext4 /dev/vda7 rw,noinit_itable
${overlay('etc', 33)}
${overlay('home', 36)}
${overlay('root', 39)}
44 25 0:37 / /run/credentials/@system ro,nosuid,nodev,noexec,relatime,nosymfollow shared:19 - tmpfs tmpfs rw,size=1024k
48 27 0:41 / /tmp rw,nosuid,nodev shared:22 - tmpfs tmpfs rw,nr_inodes=1048576,inode64`,
  'container-storage': '700',
  interpreters: '',
  volumes: '253:0 root vda3 verity 1',
  'root-writes': '',
  'verity-table': `0 325040 verity 1 254:3 254:3 4096 4096 40630 40631 sha256 ${rootHash} - 3 panic_on_corruption root_hash_sig_key_desc holdfast-root-hash`,
  'verity-status': '0 325040 verity V',
  'booted-root-hash': rootHash,
  'root-device': 'root\n3',
  'booted-verity': 'on',
  'verity-signatures': 'Y',
  slot: 'A',
  'secure-boot': '   1\n   0',
  lockdown: 'none integrity [confidentiality]',
  journal: '254:7',
  'write-var': 'written',
  'write-logs': 'written',
  'write-etc': 'written',
  'write-home': 'written',
  'write-root': 'written',
  'first-written': '1795380807 1795381410',
  partitions: `1 2048 16384 BootEFIA
2 18432 393216 BootA
3 411648 8388608 RootFS-A
4 8800256 16384 BootEFIB
5 8816640 393216 BootB
6 9209856 8388608 RootFS-B
7 17598464 2097152 Log
8 19695616 20971520 Data`,
  'filter-ipv4': saved(...established),
  'filter-ipv6': saved(...established, ...neighbours),
  nftables: 'table ip filter {\n\tchain INPUT {\n\tchain HOLDFAST {\ntable ip6 filter {\n\tchain INPUT {',
  'legacy-tables': '',
  'container-networks': '',
  links: links(),
  disciplines:
    'qdisc noqueue 0: dev lo root refcnt 2 \nqdisc fq_codel 0: dev enp0s4 root refcnt 2 limit 10240p flows 1024',
  'routing-rules': [
    ...['0:\tfrom all lookup local', '32766:\tfrom all lookup main', '32767:\tfrom all lookup default'],
    ...['0:\tfrom all lookup local', '32766:\tfrom all lookup main'],
  ].join('\n'),
  'network-namespaces': '',
  'raw-sockets': 'packet /system.slice/systemd-networkd.service\nraw /system.slice/systemd-networkd.service',
  modules: 'virtio_net 1 -\noverlay 1 -\nvmw_vsock_virtio_transport 1 -',
  taint: '0',
  'kernel-settings': Object.entries(kernelSettings)
    .map(([key, value]) => `${key} ${value}`)
    .join('\n'),
  ipe: 'enforce 0\npolicy holdfast 1.0.0 1\nbounding 000001fdffffffff',
  'etc-files': etcAnswer(etcLines),
  'runtime-units': 'transient/run-p893-i1193.scope -> ',
  'shipped-units': 'multi-user.target\nsystemd-networkd.service\nuser@.service\nsystemd-journald.service',
  environment: 'HOME\nPATH',
  accounts: [
    'root:x:0:0:root:/root:/bin/bash',
    'sync:x:4:65534:sync:/bin:/bin/sync',
    'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
    'systemd-network:x:998:998:systemd Network Management:/:/usr/sbin/nologin',
    'holdfast:x:1000:1000::/home/holdfast:/bin/bash',
  ].join('\n'),
  'released-accounts':
    'root 0:0\nsync 4:65534\nnobody 65534:65534\nsystemd-network 998:998\nholdfast 1000:1000',
  groups: 'root:x:0:\nadm:x:4:holdfast\nsudo:x:27:\nsystemd-journal:x:999:holdfast\nholdfast:x:1000:',
  'sshd-conditions': '',
  'firewall-allowed': '',
  listeners: 'udp UNCONN 0      0      10.0.2.15%enp0s3:68 0.0.0.0:*   ',
  sshd: `port 22
permitrootlogin no
hostbasedauthentication no
pubkeyauthentication yes
kerberosauthentication no
gssapiauthentication no
passwordauthentication no
kbdinteractiveauthentication no
permitemptypasswords no
trustedusercakeys none
authorizedkeyscommand /usr/bin/cat /run/credentials/@system/holdfast.authorized-keys
authorizedkeysfile none
hostkey /run/credentials/@system/holdfast.host-key
forcecommand none
permituserenvironment no
permituserrc no
authorizedprincipalsfile none
authorizedprincipalscommand none
chrootdirectory none
allowusers holdfast
acceptenv LANG
acceptenv LC_*
authenticationmethods publickey`,
  passwords: 'systemd-network !*\nroot *\nsshd !*\n_apt *\nholdfast *',
  keys: `${hostKey}\n${identity}`,
  'vsock-listeners': `v_str LISTEN 0      0      *:22 *:*   
v_str LISTEN 0      0      *:222 *:*   `,
  processes: 'systemd\nkthreadd\nkworker/0:0-events\nsystemd-logind\nsshd\nsshd-session\nbash',
  'package-managers': '/usr/bin/bash',
  'release-version': '13.7.20261121',
  tpm: '/dev/tpm0\n/dev/tpmrm0\nanswer ',
};

/** Returns the answers of a healthy machine with some replaced; a number is the exit code of the probe. */
export function answersWith(changes: Readonly<Record<string, string | GuestAnswer>> = {}): GuestAnswers {
  return new Map(
    Object.entries({ ...goodAnswers, ...changes }).map(([name, answer]) => [
      name,
      typeof answer === 'string' ? { code: 0, text: answer } : answer,
    ]),
  );
}

const sizes = { logSize: 'small', dataSize: 10 * GiB } as const;
const digest = 'b1'.repeat(32);
const file = { name: 'x', size: 1, sha256: 'ab'.repeat(32) };

const configuration = parseConfiguration(
  JSON.stringify({
    format: 1,
    name: 'default',
    release: digest,
    cpus: 1,
    memory: GiB,
    ...sizes,
    transport: 'vsock',
    created: '2026-11-22T16:00:00.000Z',
  }),
  'machine.json',
);

const size = diskSize(configuration);
const table = serializeTable({
  diskGuid: guid('ac55d56c-a157-47c3-820a-18f1ee94f270'),
  diskSize: size,
  partitions: layout(configuration),
});
const certificates = { pk: certificate, kek: certificate, db: certificate };

const uki = { ...file, authenticode: digest, sections: [] };

const shipped = { version: '13.7.20261121' };
const empty = { problem: 'empty' } as const;

export const goodFacts: HostFactTypes = {
  configuration,
  asReleased: false,
  releases: [
    {
      digest: sha256.parse(digest),
      etc: releasedEtc,
      manifest: releaseManifest.parse({
        format: 1,
        version: '13.7.20261121',
        architecture: 'x86-64',
        epoch: 1,
        sourceDateEpoch: 1,
        kernel: '6.12',
        root: { ...file, dataSize: 4096, rootHash, uuid: '00000000-0000-8000-8000-000000000000' },
        ...{
          uki,
          unverifiedUki: uki,
          loader: { ...file, authenticode: digest },
          sbom: file,
          packages: file,
          overlays: file,
        },
      }),
    },
  ],
  variables: parseVariableStore(createVariableStore(storeFile(), certificates, ['A'])),
  certificates,
  tables: { size, ...table },
  slots: {
    A: { loader: shipped, boot: shipped, root: shipped },
    B: { loader: empty, boot: empty, root: empty },
  },
  access: [
    { path: '.', kind: 'directory', mode: 0o755 },
    { path: 'keys/release/certificate.pem', kind: 'file', mode: 0o644 },
    { path: 'keys/release/private.pem', kind: 'file', mode: 0o600 },
    { path: 'keys/repository/root.json', kind: 'file', mode: 0o644 },
    { path: 'keys/repository/metadata/1.root.json', kind: 'file', mode: 0o644 },
    { path: 'machines/default/secrets/identity', kind: 'file', mode: 0o600 },
    { path: 'machines/default/secrets/identity.pub', kind: 'file', mode: 0o644 },
  ],
  exposed: [],
  channelKeys: { identity: keyDigest(identity), hostKey: keyDigest(hostKey) },
  otherKeys: { 'gateway-1': { identity: 'aa', hostKey: 'bb' } },
};

/** Returns the facts of a healthy host with some replaced; a text is the reason why a fact cannot be read. */
export function factsWith(
  changes: { readonly [Name in keyof HostFactTypes]?: HostFactTypes[Name] | string } = {},
): HostFacts {
  const entries = Object.entries({ ...goodFacts, ...changes }).map(([name, value]) => [
    name,
    typeof value === 'string' ? { problem: value } : { value },
  ]);
  return Object.fromEntries(entries) as HostFacts;
}
