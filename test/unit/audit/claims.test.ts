import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { judgeAll } from '../../../src/audit/audit.ts';
import type { Verdict } from '../../../src/audit/claim.ts';
import { claims } from '../../../src/audit/claims.ts';
import type { HostFactTypes } from '../../../src/audit/host-facts.ts';
import { kernelSettings } from '../../../src/audit/kernel-settings.ts';
import { setBootNext, setVerity } from '../../../src/firmware/boot.ts';
import { sha256 } from '../../../src/release/manifest.ts';
import { answersWith, factsWith, goodAnswers, goodFacts } from '../../support/audit-evidence.ts';
import {
  added,
  allowedFile,
  changed,
  overTcp,
  type Sabotage,
  tcp,
  withRules,
} from '../../support/audit-sabotage.ts';
import { sabotages } from '../../support/audit-sabotages.ts';

function verdictsOf(guest: Sabotage['guest'] = {}, host: Partial<HostFactTypes> = {}): Map<string, Verdict> {
  const results = judgeAll(claims, answersWith(guest), factsWith(host));
  return new Map(results.map(({ id, verdict }) => [id, verdict]));
}

function failing(verdicts: ReadonlyMap<string, Verdict>): string[] {
  return [...verdicts].filter(([, verdict]) => verdict === 'fail').map(([id]) => id);
}

/** Claims without a subject in this version: they cannot be sabotaged, and must never pass. */
const notTested = ['elevated-module'];

test('every probe has the answer of a good machine in test/support/audit-evidence.ts', () => {
  const probes = new Set(claims.flatMap((claim) => claim.probes.map(({ name }) => name)));
  assert.deepEqual(
    [...probes].filter((name) => goodAnswers[name] === undefined),
    [],
    'add what a healthy machine answers; most other tests here fail without it',
  );
});

test('a good machine passes every claim that applies to it', () => {
  const others = [...verdictsOf()].filter(([, verdict]) => verdict !== 'pass');
  assert.deepEqual(others, [
    ['ssh-brute-force', 'not applicable'],
    ['elevated-module', 'not applicable'],
  ]);
});

for (const { what, guest, host, fails } of sabotages) {
  test(`${what}: fails ${fails.join(', ')}`, () => {
    assert.deepEqual(failing(verdictsOf(guest, host)), fails);
  });
}

test("with access to the host's TPM enabled, the broker must respond and deny commands", () => {
  const host = { configuration: { ...goodFacts.configuration, hostTpm: '/dev/tpmrm0' } };
  const refused = { tpm: 'answer 0x143' };
  assert.equal(verdictsOf(refused, host).get('tpm'), 'pass');
  for (const answer of ['', 'done', '0x101']) {
    assert.equal(verdictsOf({ tpm: `answer ${answer}` }, host).get('tpm'), 'fail');
  }
});

test('with encrypted data, the claims require both volumes to encrypt their partitions', () => {
  const encryption = { volume: sha256.parse('ab'.repeat(32)), recoveryKey: sha256.parse('cd'.repeat(32)) };
  const host = { configuration: { ...goodFacts.configuration, encryption } };
  const mounts = (goodAnswers.mounts ?? '')
    .replace('254:8 / /var rw', '253:1 / /var rw')
    .replaceAll('/dev/vda8', '/dev/dm-1')
    .replaceAll('254:7 ', '253:2 ')
    .replaceAll('/dev/vda7', '/dev/dm-2');
  const volumes = [
    goodAnswers.volumes,
    '253:1 Data vda8 crypt aes-xts-plain64',
    '253:2 Log vda7 crypt aes-xts-plain64',
  ].join('\n');
  const good = { mounts, volumes, journal: '253:2' };
  assert.deepEqual(failing(verdictsOf(good, host)), []);
  const onData = ['data-writable', 'overlay-etc', 'overlay-home', 'overlay-root'];
  assert.deepEqual(failing(verdictsOf({}, host)), [onData[0], 'logs-on-log', ...onData.slice(1)]);
  const nothing = volumes.replace('vda8 crypt aes-xts-plain64', 'vda8 crypt cipher_null-ecb');
  assert.deepEqual(failing(verdictsOf({ ...good, volumes: nothing }, host)), onData);
  const elsewhere = volumes.replace('Data vda8', 'Data vdb1');
  assert.deepEqual(failing(verdictsOf({ ...good, volumes: elsewhere }, host)), onData);
  assert.deepEqual(
    failing(verdictsOf(good)),
    [onData[0], 'logs-on-log', ...onData.slice(1)],
    'the host did not configure that',
  );
});

test('a Log that something else fills is no fault of the release', () => {
  assert.deepEqual(failing(verdictsOf({ 'write-logs': 'full' })), []);
});

test('every claim that is tested fails by an honest mistake, and by an attack', () => {
  const without = (by: Sabotage['by']) => {
    const failing = new Set(sabotages.filter((each) => each.by === by).flatMap(({ fails }) => fails));
    return claims.map(({ id }) => id).filter((id) => !failing.has(id));
  };
  assert.deepEqual(without('mistake'), notTested, 'add one to test/support/audit-sabotages.ts');
  assert.deepEqual(without('attacker'), notTested, 'add one to test/support/audit-sabotages.ts');
});

test('there are at least 80 sabotages, and half of them are attacks', () => {
  const attacks = sabotages.filter(({ by }) => by === 'attacker').length;
  assert.ok(sabotages.length >= 80, String(sabotages.length));
  assert.ok(attacks * 2 >= sabotages.length, `${attacks} of ${sabotages.length}`);
});

test('the expected kernel settings are those of the image', async () => {
  const path = join(import.meta.dirname, '../../../image/rootfs/etc/sysctl.d/50-holdfast.conf');
  const lines = (await readFile(path, 'utf8')).matchAll(/^([a-z][\w.*]+) = (.+)$/gm);
  const shipped = [...lines].map(([, key = '', value = '']) => [key, value] as const);
  assert.deepEqual(Object.fromEntries(shipped.filter(([key]) => !key.includes('*'))), kernelSettings);
});

test('with SSH over TCP, its rules are expected, and the claim about vsock is off', () => {
  const channelRules = (port: number, list: string, mask: string) =>
    ['--rcheck --seconds 60 --hitcount 3 MASK -j DROP', '--set MASK -j ACCEPT']
      .map((rule) => rule.replace('MASK', `--name ${list} --mask ${mask} --rsource`))
      .map((rule) => `-A INPUT -p tcp -m tcp --dport ${port} -m conntrack --ctstate NEW -m recent ${rule}\n`)
      .join('');
  const rules = (mask: string) => channelRules(22, 'ssh', mask) + channelRules(222, 'management', mask);
  const last = '-A INPUT -j HOLDFAST';
  const [ipv4, ipv6] = [rules('255.255.255.255'), rules('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')];
  const good = {
    ...changed('filter-ipv4', last, ipv4 + last),
    ...changed('filter-ipv6', last, ipv6 + last),
    ...added('listeners', 'tcp   LISTEN 0      1      *:22 *:*   '),
    ...overTcp,
  };
  const verdicts = verdictsOf(good, tcp);
  assert.deepEqual(failing(verdicts), []);
  assert.equal(verdicts.get('ssh-brute-force'), 'pass');
  assert.equal(verdicts.get('channel-not-on-network'), 'off');

  const bypassed = { ...good, ...changed('filter-ipv4', last, `${last}\n${ipv4.trimEnd()}`) };
  assert.deepEqual(failing(verdictsOf(bypassed, tcp)), ['firewall-input-ipv4'], 'what is allowed comes last');
});

test('services that `holdfast firewall` allows, and their listeners, are expected', () => {
  const rule =
    '-A HOLDFAST -p tcp -m conntrack --ctstate NEW --ctorigdstport 8080:8090 -m comment --comment web -j ACCEPT';
  const guest = {
    'firewall-allowed': allowedFile,
    ...withRules('ipv4', [rule]),
    ...withRules('ipv6', [rule]),
    ...added('listeners', 'tcp   LISTEN 0      1      *:8081 *:*   '),
  };
  assert.deepEqual(failing(verdictsOf(guest)), []);
  const udp = added('listeners', 'udp   UNCONN 0      0      *:8081 *:*   ');
  assert.deepEqual(failing(verdictsOf({ ...guest, ...udp })), ['no-listeners']);
});

test('verity that the user disabled is neither a failure nor a pass', () => {
  const guest = {
    ...{ 'booted-verity': 'off', 'verity-table': 'none', 'verity-status': 'none' },
    ...{ 'root-device': 'partition\n3', 'verity-signatures': 'N' },
  };
  const configuration = { ...goodFacts.configuration, verity: 'off' } as const;
  const variables = setVerity(goodFacts.variables, 'off');
  const verdicts = verdictsOf(guest, { configuration, variables });
  assert.deepEqual(failing(verdicts), []);
  assert.deepEqual([verdicts.get('root-verity'), verdicts.get('root-signature')], ['off', 'off']);
  // the root of the other slot is not configured
  const other = verdictsOf({ ...guest, 'root-device': 'partition\n6' }, { configuration, variables });
  assert.deepEqual(failing(other), ['root-verity']);
  // enabled again, and not restarted: still not verified
  const again = verdictsOf(guest, { variables });
  assert.deepEqual(failing(again), ['root-verity', 'root-signature']);
  // disabled, and not restarted: still verified
  assert.deepEqual(failing(verdictsOf({}, { configuration })), []);
});

test('an inactive slot may hold a half-written update, unless something starts it', () => {
  const other = { problem: 'other', why: 'it differs' } as const;
  const slots = { ...goodFacts.slots, B: { loader: other, boot: other, root: other } };
  const configuration = { ...goodFacts.configuration, updates: [sha256.parse('ab'.repeat(32))] };
  assert.deepEqual(failing(verdictsOf({}, { slots, configuration })), []);
  const variables = setBootNext(goodFacts.variables, 'B');
  assert.equal(verdictsOf({}, { slots, configuration, variables }).get('partition-bootb'), 'fail');
});

test('a machine that was not restarted gives no evidence about persistence', () => {
  for (const written of ['1795381410', '1795381405', '1795381500'])
    assert.equal(verdictsOf({ 'first-written': `${written} 1795381410` }).get('etc-lasts'), 'not applicable');
});

test('a probe that is missing, garbled or failed fails every claim that needs it', () => {
  const names = [...new Set(claims.flatMap(({ probes }) => probes.map(({ name }) => name)))];
  assert.deepEqual(names.toSorted(), Object.keys(goodAnswers).toSorted());
  for (const name of names) {
    const needing = claims
      .filter(({ probes }) => probes.some((probe) => probe.name === name))
      .map(({ id }) => id);
    const missing = new Map(answersWith());
    missing.delete(name);
    const cases = [
      missing,
      answersWith({ [name]: '\u0000 <garbled>\n?' }),
      answersWith({ [name]: { code: 127, text: goodAnswers[name] ?? '' } }),
    ];
    for (const answers of cases) {
      const results = judgeAll(claims, answers, factsWith());
      const failed = results.filter(({ verdict }) => verdict === 'fail');
      const expected = needing.filter((id) => id !== 'ssh-brute-force' || name.startsWith('filter-'));
      assert.deepEqual(
        failed.map(({ id }) => id),
        expected,
        name,
      );
      for (const { evidence } of failed) assert.doesNotMatch(evidence, /\p{C}/u);
    }
  }
});

test('a fact of the host that cannot be read fails every claim that needs it, and no other', () => {
  const failed = (name: keyof HostFactTypes) =>
    failing(
      new Map(
        judgeAll(claims, answersWith(), factsWith({ [name]: 'it is gone' })).map(({ id, verdict }) => [
          id,
          verdict,
        ]),
      ),
    );
  assert.deepEqual(failed('releases'), [
    ...['release-signed', 'root-verity', 'ssh-root-refused'],
    ...['units-as-shipped', 'libraries-of-root', 'privilege-files'],
  ]);
  const ofSlots = ['bootefia', 'boota', 'rootfs-a', 'bootefib', 'bootb', 'rootfs-b'].map(
    (name) => `partition-${name}`,
  );
  assert.deepEqual(failed('variables'), [
    'ab-servicing',
    'secure-boot-keys',
    'boot-order',
    'boot-variables',
    ...ofSlots,
  ]);
  assert.deepEqual(failed('slots'), ofSlots);
  assert.deepEqual(failed('certificates'), ['secure-boot-keys']);
  assert.equal(failed('tables').length, 9);
  assert.deepEqual(failed('access'), ['secrets-private']);
  assert.deepEqual(failed('exposed'), ['secrets-private']);
  assert.deepEqual(failed('channelKeys'), ['ssh-keys-unique', 'ssh-keys-pinned']);
  assert.deepEqual(failed('otherKeys'), ['ssh-keys-unique']);
  assert.ok(failed('configuration').includes('no-listeners'));
});

test('claims have unique IDs, and state the remaining attacks in one line', () => {
  assert.equal(new Set(claims.map(({ id }) => id)).size, claims.length);
  for (const { id, sentence, looksAt, fooledBy, notStopped } of claims) {
    assert.match(id, /^[a-z0-9-]+$/);
    for (const text of [sentence, looksAt, fooledBy, notStopped]) assert.match(text, /^\S.{20,}\S$/, id);
  }
});

test('docs/reference/audit.md has the tables of the checks', async () => {
  const text = await readFile(join(import.meta.dirname, '../../../docs/reference/audit.md'), 'utf8');
  const [section = ''] = text.split('\n## Claims\n')[1]?.split('\n## ') ?? [];
  const rows = (['EFLOW', 'Holdfast'] as const).flatMap((whose) =>
    claims
      .filter(({ source }) => source === whose)
      .map(
        ({ id, sentence, where, since, looksAt, fooledBy, notStopped }) =>
          `| \`${id}\` | ${sentence} | ${where} | ${since} | ${looksAt} | ${fooledBy} | ${notStopped} |`,
      ),
  );
  assert.deepEqual(
    section.split('\n').filter((line) => line.startsWith('| `')),
    rows,
  );
});
