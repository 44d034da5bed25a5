import { describe, failure } from '../base/errors.ts';
import type { Guest } from '../channel/guest.ts';
import { rootScript } from '../guest/root-script.ts';
import { attestationKeyHandle } from '../tpm/virtual/attestation-key.ts';
import { quotedPcrs, type Statement, statement } from './evidence.ts';

/** The parts of the answer, which are also file names in the guest. Each is printed as a line of base64. */
const parts = ['quote', 'signature', 'pcrs', 'log'] as const;

const script = (nonce: Buffer) => `
cd "$(mktemp -d /run/holdfast/quote.XXXXXX)"
trap 'rm -rf "$PWD"' EXIT
tpm2_quote --tcti device:/dev/tpmrm0 --key-context 0x${attestationKeyHandle.toString(16)} \\
  --pcr-list sha256:${quotedPcrs.join()} --qualification ${nonce.toString('hex')} \\
  --message quote --signature signature --pcr pcrs --pcrs_format values --quiet
ln -s /sys/kernel/security/tpm0/binary_bios_measurements log
for part in ${parts.join(' ')}; do base64 --wrap 0 $part; echo; done`;

/**
 * Requests a quote of the boot measurements from the machine's own TPM, with stock tools.
 * @throws HoldfastError `guest.output`, and those of `Guest.run`.
 */
export async function askForQuote(guest: Guest, nonce: Buffer, timeoutMs = 60_000): Promise<Statement> {
  const { stdout } = await guest.run([...rootScript, 'bash', '-euc', script(nonce)], { timeoutMs });
  const [quote, signature, pcrs = '', log] = stdout.toString('latin1').split('\n');
  const values = Buffer.from(pcrs, 'base64').toString('hex');
  const parsed = statement.safeParse({ quote, signature, pcrs: values, log });
  if (parsed.success) return parsed.data;
  throw failure('guest.output', "cannot read the quote of the machine's TPM", {
    why: describe(parsed.error),
    next: 'run `holdfast restart`, and try again',
  });
}
