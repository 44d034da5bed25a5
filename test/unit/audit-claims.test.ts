import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { judgeAll } from '../../src/audit/audit.ts';
import type { Verdict } from '../../src/audit/claim.ts';
import { claims } from '../../src/audit/claims.ts';
import type { HostFactTypes } from '../../src/audit/host-facts.ts';
import { answersWith, factsWith, goodAnswers } from './support/audit-evidence.ts';
import { added, type Sabotage, sabotages, tcp } from './support/audit-sabotages.ts';

function verdictsOf(guest: Sabotage['guest'] = {}, host: Partial<HostFactTypes> = {}): Map<string, Verdict> {
  const results = judgeAll(claims, answersWith(guest), factsWith(host));
  return new Map(results.map(({ id, verdict }) => [id, verdict]));
}

function failing(verdicts: ReadonlyMap<string, Verdict>): string[] {
  return [...verdicts].filter(([, verdict]) => verdict === 'fail').map(([id]) => id);
}

/** Nothing here that they could be true of: they cannot be sabotaged, and they must never pass. */
const notTested = ['ab-servicing', 'elevated-module', 'tpm'];

test('a good machine passes every claim that applies to it', () => {
  const others = [...verdictsOf()].filter(([, verdict]) => verdict !== 'pass');
  assert.deepEqual(others, [
    ['ab-servicing', 'not applicable'],
    ['ssh-brute-force', 'not applicable'],
    ['elevated-module', 'not applicable'],
    ['tpm', 'not applicable'],
  ]);
});

for (const { what, guest, host, fails } of sabotages) {
  test(`${what}: fails ${fails.join(', ')}`, () => {
    assert.deepEqual(failing(verdictsOf(guest, host)), fails);
  });
}

test('every claim that is tested has a sabotage that it fails', () => {
  const sabotaged = new Set(sabotages.flatMap(({ fails }) => fails));
  assert.deepEqual(
    claims.map(({ id }) => id).filter((id) => !sabotaged.has(id)),
    notTested,
  );
});

test('SSH over TCP, chosen at deployment: its rules are expected, and the channel is off the socket by choice', () => {
  const rule = (
    mask: string,
  ) => `-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --update --seconds 60 --hitcount 3 --name ssh --mask ${mask} --rsource -j DROP
-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --set --name ssh --mask ${mask} --rsource -j ACCEPT`;
  const verdicts = verdictsOf(
    {
      ...added('filter-ipv4', rule('255.255.255.255')),
      ...added('filter-ipv6', rule('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')),
      ...added('listeners', 'tcp   LISTEN 0      1      *:22 *:*   '),
    },
    tcp,
  );
  assert.deepEqual(failing(verdicts), []);
  assert.equal(verdicts.get('ssh-brute-force'), 'pass');
  assert.equal(verdicts.get('channel-not-on-network'), 'off');
});

test("Podman's own chains are no hole", () => {
  const jump = (chain: string, to: string) =>
    `-A ${chain} -m comment --comment "netavark firewall rules" -j ${to}`;
  const guest = {
    'filter-ipv4': [
      goodAnswers['filter-ipv4'],
      '-N NETAVARK_FORWARD',
      jump('INPUT', 'NETAVARK_INPUT'),
      jump('FORWARD', 'NETAVARK_FORWARD'),
      '-A NETAVARK_FORWARD -s 10.88.0.0/16 -j ACCEPT',
    ].join('\n'),
  };
  assert.deepEqual(failing(verdictsOf(guest)), []);
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
  assert.deepEqual(failed('release'), ['release-signed', 'root-verity']);
  assert.deepEqual(failed('variables'), ['ab-servicing', 'secure-boot-keys', 'boot-order']);
  assert.deepEqual(failed('certificates'), ['secure-boot-keys']);
  assert.equal(failed('tables').length, 9);
  assert.deepEqual(failed('access'), ['secrets-private']);
  assert.deepEqual(failed('channelKeys'), ['ssh-keys-unique', 'ssh-keys-pinned']);
  assert.deepEqual(failed('otherKeys'), ['ssh-keys-unique']);
  assert.ok(failed('configuration').includes('no-listeners'));
});

test('claims have different names, and say in one line each what they do not stop', () => {
  assert.equal(new Set(claims.map(({ id }) => id)).size, claims.length);
  for (const { id, sentence, notStopped } of claims) {
    assert.match(id, /^[a-z0-9-]+$/);
    for (const text of [sentence, notStopped]) assert.match(text, /^\S.{20,}\S$/, id);
  }
});

test('the table in docs/security.md is that of the checks', async () => {
  const text = await readFile(join(import.meta.dirname, '../../docs/security.md'), 'utf8');
  assert.deepEqual(
    text.split('\n').filter((line) => line.startsWith('| `')),
    claims.map(
      ({ id, sentence, where, since, notStopped }) =>
        `| \`${id}\` | ${sentence} | ${where} | ${since} | ${notStopped} |`,
    ),
  );
});
