import { z } from 'zod';

/** The registers that a machine quotes: all that a start is measured into, and those that must be untouched. */
export const quotedPcrs: readonly number[] = Array.from({ length: 16 }, (_, pcr) => pcr);

/** The registers that firmware, stub and kernel log what they measure into; the others the system uses without the log. */
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

/** A number that nobody could know before it was asked with: 16 to 64 bytes in lower-case hex. */
export const nonce = hex(/^(?:[0-9a-f]{2}){16,64}$/);

/** What a machine's TPM says, and what is needed to understand it. */
export const statement = z.strictObject({
  /** TPMS_ATTEST and TPMT_SIGNATURE. */
  quote: bytes(1024),
  signature: bytes(1024),
  /** The values of `quotedPcrs`, one after the other. */
  pcrs: hex(/^[0-9a-f]{1024}$/),
  /** Linux' `binary_bios_measurements`. */
  log: bytes(256 * 1024),
});
export type Statement = z.output<typeof statement>;

/** What `attest --out` writes and `attest verify` reads: proves something to who has the `trust` of the machine. */
export const evidence = statement.extend({
  format: z.literal(1),
  machine: z.string().regex(/^[a-z0-9-]{1,32}$/),
  /** When the host asked, by its own clock: signed by nobody. */
  time: z.iso.datetime(),
  nonce,
  /** The release that the machine should run: `release.json`, and its signature. */
  release: z.strictObject({ manifest: bytes(1024 * 1024), signature: bytes(64 * 1024) }),
});
export type Evidence = z.output<typeof evidence>;

/** What must be known of a machine to judge its evidence; none of it is secret. Taken from its host, over a trusted way. */
export const trust = z.strictObject({
  format: z.literal(1),
  machine: z.string().regex(/^[a-z0-9-]{1,32}$/),
  /** The public half of the key that its TPM quotes with. */
  attestationKey: pem,
  /** Signs releases, and is Secure Boot's db. */
  releaseCertificate: pem,
  /** Secure Boot's PK and KEK. */
  platformCertificate: pem,
});
export type Trust = z.output<typeof trust>;

/** Evidence as it is kept in a file. */
export function serialiseEvidence(each: Evidence): string {
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
