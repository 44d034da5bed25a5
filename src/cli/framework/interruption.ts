import { constants } from 'node:os';
import { describe, failure, isSystemError } from '../../base/errors.ts';

/** The request to stop a command before its end. */
export interface Interruption {
  /**
   * Aborted by the first SIGINT, SIGTERM or SIGHUP, when the reader of the output has closed it, or when the output cannot
   * be written. Its reason names the cause.
   */
  readonly signal: AbortSignal;
  /** 128 and the signal's number once interrupted, as shells report it. */
  exitCode(): number | undefined;
  /** @throws HoldfastError `output.failed` when a part of the output was not written, such as to a full disk. */
  requireWritten(): Promise<void>;
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Turns the first of these signals into an abort, so that clean-up runs; a second one ends the process as usual.
 * A closed pipe on `output` counts as SIGPIPE, which Node ignores: `holdfast logs | head` ends quietly. Any other error of
 * `output` fails the command.
 */
export function watchInterruption(source: NodeJS.EventEmitter, output: NodeJS.WritableStream): Interruption {
  const controller = new AbortController();
  let received: NodeJS.Signals | undefined;
  let unwritten: Error | undefined;
  const interrupt = (name: NodeJS.Signals) => {
    if (received !== undefined) return;
    received = name;
    for (const each of signals) source.removeListener(each, interrupt);
    controller.abort(failure('interrupted', `interrupted by ${name}`));
  };
  for (const name of signals) source.on(name, interrupt);
  output.on('error', (error) => {
    if (isSystemError(error, 'EPIPE')) return interrupt('SIGPIPE');
    unwritten ??= failure('output.failed', 'cannot write the output', {
      why: describe(error),
      next: 'check the file or device to which standard output leads',
    });
    controller.abort(unwritten);
  });
  return {
    signal: controller.signal,
    exitCode: () => (received === undefined ? undefined : 128 + constants.signals[received]),
    async requireWritten() {
      // the callback comes after those of all earlier writes, and errors are emitted after the callback
      await new Promise((resolve) => output.write('', resolve));
      await new Promise(setImmediate);
      if (unwritten) throw unwritten;
    },
  };
}
