import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { failure, misuse } from '../../base/errors.ts';
import { nameMachine } from '../../machine/hints.ts';

/** The parts of a command's context that asking the user needs. */
interface Asking {
  readonly streams: {
    readonly stdin: NodeJS.ReadableStream & { isTTY?: boolean };
    readonly stderr: NodeJS.WritableStream & { isTTY?: boolean };
  };
  readonly signal: AbortSignal;
  readonly json: boolean;
  /** The machine that hints name. */
  readonly machine: { readonly name: string };
}

/**
 * Asks the user to confirm something that weakens protection. Without a terminal, `--yes` must have been given instead.
 * @param risk the consequence, in one sentence.
 * @throws HoldfastError `usage.unconfirmed` without a terminal, `usage.declined`; the signal's reason.
 */
export async function confirm({ streams, signal, json, machine }: Asking, risk: string): Promise<void> {
  if (json || !streams.stdin.isTTY || !streams.stderr.isTTY) {
    throw misuse('usage.unconfirmed', 'confirmation is required', { why: risk, next: 'add --yes' });
  }
  const questions = createInterface({ input: streams.stdin, output: streams.stderr });
  const inputEnded = once(questions, 'close').then(() => '');
  try {
    const answer = await Promise.race([
      questions.question(`${nameMachine(risk, machine.name)} Continue? [y/N] `, { signal }),
      inputEnded,
    ]);
    if (/^y(es)?$/i.test(answer.trim())) return;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    questions.close();
  }
  throw failure('usage.declined', 'nothing was changed', { why: 'the answer was not yes' });
}
