import { constants } from 'node:os';
import { failure, isSystemError } from '../../base/errors.ts';

/** The request to stop a command before its end. */
export interface Interruption {
  /**
   * Aborted by the first SIGINT, SIGTERM or SIGHUP, or when the reader of the output has closed it. Its
   * reason names the cause.
   */
  readonly signal: AbortSignal;
  /** 128 and the signal's number once interrupted, as shells report it. */
  exitCode(): number | undefined;
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Turns the first of these signals into an abort, so that clean-up runs; a second one ends the process as usual.
 * A closed pipe on `output` counts as SIGPIPE, which Node ignores: `holdfast logs | head` ends quietly.
 */
export function watchInterruption(source: NodeJS.EventEmitter, output: NodeJS.WritableStream): Interruption {
  const controller = new AbortController();
  let received: NodeJS.Signals | undefined;
  const interrupt = (name: NodeJS.Signals) => {
    if (received !== undefined) return;
    received = name;
    for (const each of signals) source.removeListener(each, interrupt);
    controller.abort(failure('interrupted', `interrupted by ${name}`));
  };
  for (const name of signals) source.on(name, interrupt);
  output.on('error', (error) => {
    if (!isSystemError(error, 'EPIPE')) throw error;
    interrupt('SIGPIPE');
  });
  return {
    signal: controller.signal,
    exitCode: () => (received === undefined ? undefined : 128 + constants.signals[received]),
  };
}
