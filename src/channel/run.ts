import type { Readable } from 'node:stream';
import { failure, type HoldfastError } from '../base/errors.ts';
import { quoteCommand } from '../base/shell-quote.ts';
import { oneLine } from '../base/visible.ts';
import { bounds } from './bounds.ts';
import type { CommandResult, Guest, RunOptions, StartCommand } from './guest.ts';

/** Returns the guest whose commands `start` starts. */
export function guestThrough(start: StartCommand): Guest {
  return { start, run: (argv, options) => runToEnd(start, argv, options) };
}

/** Runs a command that `start` starts, as `Guest.run` does. */
export async function runToEnd(
  start: StartCommand,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<CommandResult> {
  const line = quoteCommand(argv[0] ?? '', argv.slice(1));
  const limit = deadline(options, () =>
    failure('guest.timeout', `${argv[0]} in the guest took too long`, {
      why: `no end after ${options.timeoutMs} ms: ${line}`,
    }),
  );
  const starting = start(argv);
  const command = await Promise.race([limit.passed, starting]).catch((error: unknown) => {
    limit.forget();
    starting.then(
      (late) => late.hangUp(),
      () => {},
    );
    throw error;
  });
  try {
    command.stdin.on('error', () => {}); // the command may end before it has read its input
    const { input } = options;
    const answer = typeof input === 'function' ? (text: Buffer) => command.stdin.end(input(text)) : undefined;
    if (typeof input !== 'function') command.stdin.end(input);
    const [stdout, stderr, end] = await Promise.race([
      limit.passed,
      Promise.all([collect(command.stdout, options, line, answer), readTail(command.stderr), command.ended]),
    ]);
    if ('code' in end && (options.accept ?? [0]).includes(end.code))
      return { code: end.code, stdout, stderr };
    throw failure(
      'guest.command',
      `${argv[0]} in the guest failed (${'code' in end ? `exit code ${end.code}` : end.signal})`,
      {
        why: printable(stderr.trim().split('\n').slice(-3).join(' | ')) || 'it printed no reason',
        next:
          line.length > 100
            ? 'see the journal of the machine: `holdfast logs`'
            : `run it by hand to see more: holdfast exec -- ${line}`,
      },
    );
  } finally {
    limit.forget();
    command.hangUp();
  }
}

/** Returns a promise that rejects at the time limit or when the signal aborts, until `forget` is called. */
function deadline({ timeoutMs, signal }: RunOptions, late: () => HoldfastError) {
  const { promise: passed, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal?.reason);
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => reject(late()), timeoutMs);
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  return {
    passed,
    forget: () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    },
  };
}

/** @param answer is called once, with what comes before the first NUL byte. */
async function collect(
  stream: Readable,
  { maximum = bounds.commandOutput.bytes, endOnly = false }: RunOptions,
  line: string,
  answer?: (printed: Buffer) => void,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  let isAnswered = false;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    while (endOnly && size - (chunks[0]?.length ?? size) >= maximum) size -= chunks.shift()?.length ?? 0;
    if (size > maximum && !endOnly) {
      throw failure('guest.long', 'a command in the guest printed too much', {
        why: `more than ${maximum} bytes: ${line}`,
      });
    }
    chunks.push(chunk);
    if (answer && !isAnswered && chunk.includes(0)) {
      isAnswered = true;
      const printed = Buffer.concat(chunks);
      answer(printed.subarray(0, printed.indexOf(0)));
    }
  }
  return Buffer.concat(chunks).subarray(endOnly ? -maximum : 0);
}

/**
 * Returns the end of a program's error output, which has the reason of a failure, also when the stream is
 * interrupted.
 */
export function readTail(stream: Readable): Promise<string> {
  let kept = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]).subarray(-bounds.errorOutput.bytes);
  });
  return new Promise((resolve) => stream.once('close', () => resolve(kept.toString())));
}

/** Returns text of the guest for a line on a terminal: short, and without control characters. */
export function printable(text: string): string {
  return oneLine(text.slice(0, bounds.errorText.count));
}
