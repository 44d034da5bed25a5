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
  --message quote --signature signature --pcr pcrs --pcrs_format values --quiet 2>problem || {
  code=$(grep -o -m 1 '(0x[0-9A-F]*)' problem) && echo "none $code" && exit
  cat problem >&2 && exit 1
}
ln -s /sys/kernel/security/tpm0/binary_bios_measurements log
for part in ${parts.join(' ')}; do base64 --wrap 0 $part; echo; done`;

/**
 * Requests a quote of the boot measurements from the machine's own TPM, with stock tools.
 * @throws HoldfastError `attest.no-quote` with the reason of the TPM, `guest.output`, and those of `Guest.run`.
 */
export async function askForQuote(guest: Guest, nonce: Buffer, timeoutMs = 60_000): Promise<Statement> {
  const { stdout } = await guest.run([...rootScript, 'bash', '-euc', script(nonce)], { timeoutMs });
  const text = stdout.toString('latin1');
  const [, code] = /^none \((0x[0-9A-F]{1,8})\)\n$/.exec(text) ?? [];
  if (code !== undefined) throw noQuote(code);
  const [quote, signature, pcrs = '', log] = text.split('\n');
  const values = Buffer.from(pcrs, 'base64').toString('hex');
  const parsed = statement.safeParse({ quote, signature, pcrs: values, log });
  if (parsed.success) return parsed.data;
  throw failure('guest.output', "cannot read the quote of the machine's TPM", {
    why: describe(parsed.error),
    next: 'run `holdfast restart`, and try again',
  });
}

/** TPM_RC_HANDLE for the first handle: there is no such key. TCG TPM 2.0 Library Part 2, section 6.6. */
const noKey = '0x18B';

function noQuote(code: string) {
  return failure('attest.no-quote', 'the TPM of the machine cannot sign evidence of its boot', {
    why:
      code === noKey
        ? 'its attestation key is gone: software in the guest removed the key or cleared the TPM'
        : `it returned the response code ${code}`,
    next: 'run `holdfast restart`, which brings the key back; if that does not help, run `holdfast stop`, `holdfast attest enrol` and `holdfast start`',
  });
}
