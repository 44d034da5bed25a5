import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { eventTypes, type MeasuredEvent, parseEventLog, replay } from '../../../src/attestation/event-log.ts';
import { evidence, quotedPcrs, serializeEvidence } from '../../../src/attestation/evidence.ts';
import { judgeEvidence, releaseOf } from '../../../src/attestation/verify.ts';
import { isFailure } from '../../../src/base/errors.ts';
import { releaseManifest } from '../../../src/release/manifest.ts';
import {
  evidenceOf,
  quoteOf,
  real,
  realEvents,
  serializeLog,
  trustInTests,
} from '../../support/start-evidence.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest();
const manifest = releaseManifest.parse(JSON.parse(real.evidence.release.manifest.toString()));

/** The verdict on a start that measured these events instead. */
const judge = (events: readonly MeasuredEvent[]) =>
  judgeEvidence(evidenceOf(events), trustInTests, undefined);
const changed = (isWanted: (event: MeasuredEvent) => boolean, change: Partial<MeasuredEvent>) => {
  assert.ok(realEvents.some(isWanted));
  return realEvents.map((event) => (isWanted(event) ? { ...event, ...change } : event));
};
const isProgram = ({ type }: MeasuredEvent) => type === eventTypes.bootServicesApplication;

test('accepts the evidence of a real TPM about a real boot, also from a file', () => {
  const { passed, reasons, registers } = judgeEvidence(real.evidence, real.trust, real.evidence.nonce);
  assert.deepEqual(reasons, []);
  assert.equal(passed, true);
  for (const { value, expected } of registers) assert.equal(value, expected);
  assert.deepEqual(evidence.parse(JSON.parse(serializeEvidence(real.evidence))), real.evidence);
});

test('rejects evidence with another nonce', () => {
  const { passed, reasons } = judgeEvidence(real.evidence, real.trust, Buffer.alloc(32, 1));
  assert.equal(passed, false);
  assert.match(reasons.join(), /another nonce/);
});

test('rejects evidence with one bit changed in the signed data or the registers', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('quote', 'signature', 'pcrs', 'nonce'),
      fc.nat(),
      fc.nat(7),
      (part, where, bit) => {
        const bytes = Buffer.from(real.evidence[part]);
        const at = where % bytes.length;
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
        assert.equal(judgeEvidence({ ...real.evidence, [part]: bytes }, real.trust, undefined).passed, false);
      },
    ),
    { numRuns: 150 },
  );
});

test('rejects a release that the release key did not sign', () => {
  const release = {
    ...real.evidence.release,
    manifest: Buffer.from(JSON.stringify({ ...manifest, version: '99' })),
  };
  const { passed, reasons } = judgeEvidence({ ...real.evidence, release }, real.trust, undefined);
  assert.equal(passed, false);
  assert.match(reasons.join(), /not signed by the release key/);
});

test('rejects other data that the TPM signed, and a quote of fewer registers', () => {
  const good = evidenceOf(realEvents);
  assert.equal(judgeEvidence(good, trustInTests, undefined).passed, true);
  const values = quotedPcrs.map((pcr) => replay(realEvents, pcr));
  const foreign = judgeEvidence({ ...good, ...quoteOf(values, good.nonce, 0) }, trustInTests, undefined);
  assert.match(foreign.reasons.join(), /something else that a TPM signed/);
  const { reasons } = judgeEvidence(
    { ...good, ...quoteOf(values.slice(0, 8), good.nonce) },
    trustInTests,
    undefined,
  );
  assert.match(reasons.join(), /the register values differ from those/);
});

const differences: readonly (readonly [
  what: string,
  events: readonly MeasuredEvent[],
  reasons: readonly RegExp[],
])[] = [
  [
    'Secure Boot off',
    changed(({ pcr, data }) => pcr === 7 && data.includes(Buffer.from('SecureBoot', 'utf16le')), {
      digest: sha256('off'),
      data: Buffer.of(0),
    }),
    [/^Secure Boot was disabled/],
  ],
  [
    'another db',
    changed(
      ({ type, data }) =>
        type === eventTypes.variableDriverConfig &&
        data.includes(Buffer.from('db', 'utf16le')) &&
        data.length > 100,
      {
        digest: sha256('db'),
      },
    ),
    [/^differs from the deployment: the keys that may sign/],
  ],
  [
    'another program',
    changed(isProgram, { digest: sha256('x') }),
    [/^another program was started instead of the UKI/],
  ],
  [
    'the UKI without verity',
    changed(isProgram, { digest: Buffer.from(manifest.unverifiedUki.authenticode, 'hex') }),
    [/^verity is disabled/],
  ],
  [
    'a program before the UKI',
    realEvents.flatMap((event) => (isProgram(event) ? [{ ...event, digest: sha256('x') }, event] : [event])),
    [/^another program was started in addition to the UKI/],
  ],
  [
    'another command line',
    changed(
      ({ pcr, digest }) =>
        pcr === 11 &&
        digest.toString('hex') === manifest.uki.sections.find(({ name }) => name === '.cmdline')?.sha256,
      {
        digest: sha256('quiet'),
      },
    ),
    [/^differs from release .*: the command line/],
  ],
  [
    'parts in another order',
    [
      ...realEvents.filter(({ pcr }) => pcr !== 11),
      ...realEvents.filter(({ pcr }) => pcr === 11).toReversed(),
    ],
    [/^PCR 11 has an unexpected measurement/],
  ],
  [
    'credentials from the boot file system',
    [...realEvents, { pcr: 12, type: eventTypes.ipl, digest: sha256('c'), data: Buffer.alloc(0) }],
    [/^the stub loaded a command line or credentials/],
  ],
];

for (const [what, events, patterns] of differences) {
  test(`${what}: the reason names it`, () => {
    const { passed, reasons } = judge(events);
    assert.equal(passed, false);
    assert.equal(reasons.length, patterns.length, reasons.join('; '));
    for (const [index, pattern] of patterns.entries()) assert.match(reasons[index] ?? '', pattern);
  });
}

test('accepts a boot through the fallback loader of the release', () => {
  const digest = Buffer.from(manifest.loader.authenticode, 'hex');
  const events = realEvents.flatMap((event) => (isProgram(event) ? [{ ...event, digest }, event] : [event]));
  assert.deepEqual(judge(events).reasons, []);
});

test('rejects every added, missing or moved measurement of a judged register', () => {
  const judged = realEvents.flatMap(({ pcr }, index) => ([4, 7, 11].includes(pcr) ? [index] : []));
  fc.assert(
    fc.property(fc.constantFrom(...judged), fc.constantFrom('drop', 'double', 'change'), (index, how) => {
      const event = realEvents[index];
      assert.ok(event);
      const instead = { drop: [], double: [event, event], change: [{ ...event, digest: sha256('x') }] }[how];
      const { passed, reasons } = judge(realEvents.toSpliced(index, 1, ...instead));
      assert.equal(passed, false);
      assert.notEqual(reasons.length, 0);
    }),
    { numRuns: 60 },
  );
});

test('names a register that the event log does not explain', () => {
  const log = serializeLog(realEvents.filter(({ pcr }) => pcr !== 5));
  const { passed, reasons } = judgeEvidence({ ...real.evidence, log }, real.trust, undefined);
  assert.equal(passed, false);
  assert.deepEqual(reasons, ['the event log does not match PCR 5']);
});

test('compares with the booted one of several releases', () => {
  const other = {
    manifest: { ...manifest, version: '1', uki: manifest.loader, unverifiedUki: manifest.loader } as never,
  };
  assert.equal(releaseOf(real.evidence.log, [other, { manifest }]).manifest.version, manifest.version);
  assert.equal(releaseOf(Buffer.from('no log'), [other, { manifest }]), other, 'the judgement then says so');
});

test('parses the event logs that it encodes, and rejects all other bytes with a typed error', () => {
  assert.deepEqual(parseEventLog(serializeLog(realEvents)), realEvents);
  const refused = (bytes: Buffer) => assert.throws(() => parseEventLog(bytes), { code: 'tpm.log' });
  refused(Buffer.alloc(0));
  for (const length of [1, 30, 60, 100, real.evidence.log.length - 1])
    refused(real.evidence.log.subarray(0, length));
  fc.assert(
    fc.property(fc.nat(real.evidence.log.length - 1), fc.nat(255), (at, value) => {
      const bytes = Buffer.from(real.evidence.log);
      bytes.writeUInt8(value, at);
      try {
        parseEventLog(bytes);
      } catch (error) {
        if (!isFailure(error, 'tpm.log')) throw error;
      }
    }),
    { numRuns: 200 },
  );
});

test('a quote of another TPM or of a key that was recorded again is told from a wrong signature', () => {
  const { reasons } = judgeEvidence(real.evidence, trustInTests, undefined);
  assert.match(
    reasons.join(),
    /not signed by the attestation key of this machine, but by another TPM.*enrol/,
  );
  const signature = Buffer.from(real.evidence.signature);
  signature.writeUInt8(signature.readUInt8(20) ^ 1, 20);
  const forged = judgeEvidence({ ...real.evidence, signature }, real.trust, undefined);
  assert.match(forged.reasons.join(), /not signed by the attestation key of this machine$/);
});
