import type * as z from 'zod';
import { type Evidence, nonce } from '../../../attestation/evidence.ts';
import type { Judgement } from '../../../attestation/verify.ts';
import { failure, misuse } from '../../../base/errors.ts';
import type { Context } from '../../framework/command.ts';
import { setting } from '../../framework/parameters.ts';
import type { attestOutput } from '../../output/security.ts';
import { judgementText } from './text.ts';

/** The challenge that makes evidence fresh. */
export const nonceFlag = setting(
  'HEX',
  'Challenge of the verifier: 16 to 64 unpredictable bytes',
  parseNonce,
);

/**
 * Prints the verdict on evidence.
 * @param fresh whether the evidence is known to be newer than the challenge.
 * @throws HoldfastError `attest.failed` when the evidence does not prove a trustworthy boot.
 */
export function printVerdict(
  { output, streams }: Pick<Context<z.input<typeof attestOutput>>, 'output' | 'streams'>,
  { machine, time, nonce: asked }: Evidence,
  judgement: Judgement,
  fresh: boolean,
): void {
  const text = judgementText(machine, judgement, streams.stdout);
  const age = fresh
    ? ''
    : `\n\nThe evidence claims to be from ${time}; without --nonce nothing proves that it is not older`;
  output.result({ machine, time, nonce: asked.toString('hex'), fresh, ...judgement }, `${text}${age}`);
  if (judgement.passed) return;
  throw failure('attest.failed', `boot measurements of '${machine}' do not match its release`, {
    why: judgement.reasons.join('; '),
    next: 'treat the machine as compromised; run `holdfast verity status` and `holdfast audit` for details',
  });
}

function parseNonce(word: string): Buffer {
  const parsed = nonce.safeParse(word.toLowerCase());
  if (parsed.success) return parsed.data;
  throw misuse('usage.nonce', `'${word.slice(0, 80)}' is not a valid nonce`, {
    why: 'a nonce has 16 to 64 bytes in hexadecimal digits',
    next: 'generate one with `openssl rand -hex 32`',
  });
}
