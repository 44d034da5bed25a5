import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type MeasuredEvent, parseEventLog, replay } from '../../src/attestation/event-log.ts';
import { type Evidence, evidence, quotedPcrs, type Trust, trust } from '../../src/attestation/evidence.ts';
import { sized, u16, u32 } from '../../src/tpm/codec/wire.ts';

const data = join(import.meta.dirname, 'data');
const read = (name: string): unknown => JSON.parse(readFileSync(join(data, name), 'utf8'));

/**
 * Evidence of a start from a machine's TPM, and the trust of its host: `holdfast attest --out evidence.json` and `holdfast attest trust
 * >trust.json` of a machine as deployed.
 */
export const real: { readonly evidence: Evidence; readonly trust: Trust } = {
  evidence: evidence.parse(read('evidence.json')),
  trust: trust.parse(read('trust.json')),
};

export const realEvents = parseEventLog(real.evidence.log);

/** The key of a TPM that signs arbitrary values for tests. */
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** The same trust, but with the key of the tests. */
export const trustInTests: Trust = {
  ...real.trust,
  attestationKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
};

/** Makes consistent evidence of a start that measured these events: log, PCRs and quote. */
export function evidenceOf(events: readonly MeasuredEvent[]): Evidence {
  const log = serializeLog(events);
  const values = quotedPcrs.map((pcr) => replay(events, pcr));
  return { ...real.evidence, log, pcrs: Buffer.concat(values), ...quoteOf(values, real.evidence.nonce) };
}

/** Encodes TPMS_ATTEST and TPMT_SIGNATURE of these values. */
export function quoteOf(values: readonly Buffer[], nonce: Buffer, magic = 0xff54_4347) {
  const quote = Buffer.concat([
    ...[u32(magic), u16(0x8018), sized(Buffer.from('signer')), sized(nonce), Buffer.alloc(25)],
    ...[u32(1), u16(0x000b), Buffer.of(3, 0xff, 0xff, 0)],
    sized(createHash('sha256').update(Buffer.concat(values)).digest()),
  ]);
  const numbers = sign('sha256', quote, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  const signature = Buffer.concat([
    ...[u16(0x0018), u16(0x000b), sized(numbers.subarray(0, 32)), sized(numbers.subarray(32))],
  ]);
  return { quote, signature };
}

/** Encodes a log as the firmware does: TCG PC Client Platform Firmware Profile, section 10.2. */
export function serializeLog(events: readonly MeasuredEvent[]): Buffer {
  const numbers = (...values: number[]) => Buffer.concat(values.map((value) => u32(value).swap32()));
  const algorithm = (...values: number[]) => Buffer.concat(values.map((value) => u16(value).swap16()));
  const header = Buffer.concat([
    ...[Buffer.from('Spec ID Event03\0'), Buffer.alloc(8), numbers(1), algorithm(0x000b, 32), Buffer.of(0)],
  ]);
  return Buffer.concat([
    ...[numbers(0, 3), Buffer.alloc(20), numbers(header.length), header],
    ...events.flatMap(({ pcr, type, digest, data }) => [
      ...[numbers(pcr, type, 1), algorithm(0x000b), digest, numbers(data.length), data],
    ]),
  ]);
}
