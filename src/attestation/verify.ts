import { createPublicKey, X509Certificate } from 'node:crypto';
import { describe, failure, HoldfastError } from '../base/errors.ts';
import { extended } from '../firmware/measurement.ts';
import type { SecureBootKeys } from '../firmware/secure-boot.ts';
import { isManifestSigned } from '../release/keys.ts';
import type { ReleaseManifest } from '../release/manifest.ts';
import { parseManifest } from '../release/verify.ts';
import { eventTypes, type MeasuredEvent, parseEventLog, replay } from './event-log.ts';
import { type Evidence, loggedPcrs, quotedPcrs, type Trust } from './evidence.ts';
import { type ExpectedStart, expectedEvents, judgedPcrs } from './expected-boot.ts';
import { explainDifferences } from './explain.ts';
import { digestOfPcrs, readQuote } from './quote.ts';

/** A register and its expected value: hex. */
export interface Register {
  readonly pcr: number;
  readonly holds: string;
  readonly value: string;
  readonly expected: string;
}

export interface Judgement {
  readonly passed: boolean;
  /** Reasons for the rejection, the most informative first. */
  readonly reasons: readonly string[];
  /** Version of the release with which the boot was compared; undefined without a trusted signature. */
  readonly release: string | undefined;
  /** Registers that follow from the release; empty when the evidence cannot be trusted. */
  readonly registers: readonly Register[];
}

/**
 * Verifies a machine's evidence about its boot: its signer, its age, that the event log matches the signed registers, and that
 * the boot was one of the release with the keys of the deployment. Pure.
 * @param asked nonce that the verifier issued; undefined accepts the nonce of the evidence, which then has an unknown age.
 */
export function judgeEvidence(evidence: Evidence, trust: Trust, asked: Buffer | undefined): Judgement {
  const certificate = new X509Certificate(trust.releaseCertificate);
  if (!isManifestSigned(evidence.release.manifest, evidence.release.signature, certificate))
    return failed(['the named release is not signed by the release key']);
  try {
    const release = parseManifest(evidence.release.manifest, 'the evidence');
    const values = provenValues(evidence, trust, asked ?? evidence.nonce);
    return judgeStart(values, parseEventLog(evidence.log), { release, keys: keysOf(trust) });
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return failed([describe(error)]);
  }
}

/** Returns the release whose UKI, with or without verity, was started; the first when none was, or the log is unreadable. */
export function releaseOf<T extends { readonly manifest: ReleaseManifest }>(
  log: Buffer,
  releases: readonly [T, ...T[]],
): T {
  const started = startedIn(log);
  const runs = ({ uki, unverifiedUki }: ReleaseManifest) =>
    [uki, unverifiedUki].some(({ authenticode }) => started.has(authenticode));
  return releases.find(({ manifest }) => runs(manifest)) ?? releases[0];
}

function startedIn(log: Buffer): ReadonlySet<string> {
  try {
    return new Set(parseEventLog(log).map(({ digest }) => digest.toString('hex')));
  } catch (error) {
    if (error instanceof HoldfastError) return new Set(); // the verification reports it
    throw error;
  }
}

/** Returns the registers' values, if this machine's TPM signed them for this nonce. @throws HoldfastError `tpm.quote`. */
function provenValues(
  { quote: attest, signature, pcrs }: Evidence,
  { attestationKey }: Trust,
  asked: Buffer,
): Buffer[] {
  const quote = readQuote(attest, signature, createPublicKey(attestationKey));
  const values = quotedPcrs.map((_, index) => pcrs.subarray(index * 32, index * 32 + 32));
  if (!quote.nonce.equals(asked)) throw unproven('it answers another nonce, and may be old');
  if (quote.pcrs.join() !== quotedPcrs.join())
    throw unproven(`it covers the registers ${quote.pcrs.join(', ')}`);
  if (!quote.digest.equals(digestOfPcrs(values)))
    throw unproven('the register values differ from those that the TPM signed');
  return values;
}

function judgeStart(
  values: readonly Buffer[],
  log: readonly MeasuredEvent[],
  start: ExpectedStart,
): Judgement {
  const unexplained = loggedPcrs.filter((pcr) => !values[pcr]?.equals(replay(log, pcr)));
  const loader = start.release.loader.authenticode;
  const expected = expectedEvents(
    start,
    log.some(({ digest }) => digest.toString('hex') === loader),
  );
  const registers = judgedPcrs.map(({ pcr, holds }) => ({
    ...{ pcr, holds },
    value: (values[pcr] ?? Buffer.alloc(0)).toString('hex'),
    expected: extended(expected[pcr].map(({ digest }) => digest)).toString('hex'),
  }));
  const eventsOf = (pcr: number) =>
    log.filter((event) => event.pcr === pcr && event.type !== eventTypes.noAction);
  const reasons = registers
    .filter(({ pcr, value, expected: computed }) => value !== computed && !unexplained.includes(pcr))
    .flatMap(({ pcr }) => explainDifferences(pcr, eventsOf(pcr), expected[pcr], start.release));
  if (unexplained.length > 0) reasons.push(`the event log does not match PCR ${unexplained.join(', ')}`);
  return { passed: reasons.length === 0, reasons, release: start.release.version, registers };
}

function keysOf({ platformCertificate, releaseCertificate }: Trust): SecureBootKeys {
  const platform = new X509Certificate(platformCertificate).raw;
  return { pk: platform, kek: platform, db: new X509Certificate(releaseCertificate).raw };
}

function failed(reasons: readonly string[]): Judgement {
  return { passed: false, reasons, release: undefined, registers: [] };
}

function unproven(why: string) {
  return failure('tpm.quote', 'cannot trust the quote', { why });
}
