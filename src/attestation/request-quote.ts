import { describe, failure } from '../base/errors.ts';
import type { Session } from '../channel/session.ts';
import { rootScript } from '../guest/root-script.ts';
import { attestationKeyHandle } from '../tpm/virtual/attestation-key.ts';
import { quotedPcrs, type Statement, statement } from './evidence.ts';

/** What the answers are called, and where the guest has them: base64 of each, a line each. */
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
 * Has the machine's own TPM say what its start was, with stock tools.
 * @throws HoldfastError `guest.output`, and those of `Session.run`.
 */
export async function askForQuote(
  session: Pick<Session, 'run'>,
  nonce: Buffer,
  timeoutMs = 60_000,
): Promise<Statement> {
  const { stdout } = await session.run([...rootScript, 'bash', '-euc', script(nonce)], { timeoutMs });
  const [quote, signature, pcrs = '', log] = stdout.toString('latin1').split('\n');
  const values = Buffer.from(pcrs, 'base64').toString('hex');
  const parsed = statement.safeParse({ quote, signature, pcrs: values, log });
  if (parsed.success) return parsed.data;
  throw failure('guest.output', "what the machine's TPM says cannot be read", {
    why: describe(parsed.error),
    next: 'run `holdfast restart`, and try again',
  });
}
