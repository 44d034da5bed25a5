import * as z from 'zod';

/** Registers that a machine quotes: those of the boot, and those that must be unused. */
export const quotedPcrs: readonly number[] = Array.from({ length: 16 }, (_, pcr) => pcr);

/** Registers whose measurements firmware, stub and kernel log; the system uses the others without the log. */
export const loggedPcrs: readonly number[] = quotedPcrs.filter((pcr) => ![8, 10, 15].includes(pcr));

const bytes = (longest: number) =>
  z
    .base64()
    .max(Math.ceil(longest / 3) * 4)
    .transform((text): Buffer => Buffer.from(text, 'base64'));
const hex = (pattern: RegExp) =>
  z
    .string()
    .regex(pattern)
    .transform((text): Buffer => Buffer.from(text, 'hex'));
const pem = z.string().min(1).max(16_384);

/** An unpredictable number that a verifier issued: 16 to 64 bytes in lower-case hex. */
export const nonce = hex(/^(?:[0-9a-f]{2}){16,64}$/);

/** A quote of a machine's TPM, and the data needed to verify it. */
export const statement = z.strictObject({
  /** TPMS_ATTEST and TPMT_SIGNATURE. */
  quote: bytes(1024),
  signature: bytes(1024),
  /** The values of `quotedPcrs`, concatenated. */
  pcrs: hex(/^[0-9a-f]{1024}$/),
  /** Linux' `binary_bios_measurements`. */
  log: bytes(256 * 1024),
});
export type Statement = z.output<typeof statement>;

/** Evidence as `attest --out` writes it and `attest verify` reads it. Verifying it needs the `trust` of the machine. */
export const evidence = statement.extend({
  format: z.literal(1),
  machine: z.string().regex(/^[a-z0-9-]{1,32}$/),
  /** Time of the request, by the host's clock: not signed. */
  time: z.iso.datetime(),
  nonce,
  /** The release that the machine should run: `release.json`, and its signature. */
  release: z.strictObject({ manifest: bytes(1024 * 1024), signature: bytes(64 * 1024) }),
});
export type Evidence = z.output<typeof evidence>;

/** Facts about a machine that are needed to verify its evidence. Not secret; taken from its host over a trusted path. */
export const trust = z.strictObject({
  format: z.literal(1),
  machine: z.string().regex(/^[a-z0-9-]{1,32}$/),
  /** Public half of the attestation key of its TPM. */
  attestationKey: pem,
  /** Signs releases, and is Secure Boot's db. */
  releaseCertificate: pem,
  /** Secure Boot's PK and KEK. */
  platformCertificate: pem,
});
export type Trust = z.output<typeof trust>;

/** Encodes evidence for a file. */
export function serializeEvidence(each: Evidence): string {
  const text = (content: Buffer) => content.toString('base64');
  const { quote, signature, pcrs, log, release, nonce: asked, ...rest } = each;
  const written: z.input<typeof evidence> = {
    ...rest,
    nonce: asked.toString('hex'),
    quote: text(quote),
    signature: text(signature),
    pcrs: pcrs.toString('hex'),
    log: text(log),
    release: { manifest: text(release.manifest), signature: text(release.signature) },
  };
  return `${JSON.stringify(written, null, 1)}\n`;
}
