import type { Readable } from 'node:stream';
import { failure } from '../base/errors.ts';
import { quoteCommand } from '../base/log.ts';
import type { CommandResult, Session, StartCommand } from './session.ts';

/** At most so much of a command's output is kept: what the guest sends is not ours to trust. */
const stdoutLimit = 64 * 1024 * 1024;
const stderrLimit = 64 * 1024;

/**
 * Runs a command in the guest to its end: `Session.run` over any way to start one.
 * @throws HoldfastError `guest.command` (its code is not accepted), `guest.timeout`, `guest.output`, `channel.lost`.
 */
export async function runToEnd(
  start: StartCommand,
  argv: readonly string[],
  options: Parameters<Session['run']>[1] = {},
): Promise<CommandResult> {
  const line = quoteCommand(argv[0] ?? '', argv.slice(1));
  const command = await start(argv);
  let timer: NodeJS.Timeout | undefined;
  try {
    command.stdin.on('error', () => {}); // the command may end before it has read its input
    command.stdin.end(options.input);
    const late = new Promise<never>((_resolve, reject) => {
      if (options.timeoutMs === undefined) return;
      timer = setTimeout(() => {
        reject(
          failure('guest.timeout', `${argv[0]} in the guest took too long`, {
            why: `no end after ${options.timeoutMs} ms: ${line}`,
          }),
        );
      }, options.timeoutMs);
    });
    const [stdout, stderr, end] = await Promise.race([
      late,
      Promise.all([collect(command.stdout, line), tail(command.stderr), command.ended]),
    ]);
    if ('code' in end && (options.accept ?? [0]).includes(end.code))
      return { code: end.code, stdout, stderr };
    throw failure(
      'guest.command',
      `${argv[0]} in the guest failed (${'code' in end ? `exit code ${end.code}` : end.signal})`,
      {
        why: stderr.trim().split('\n').slice(-3).join(' | ') || 'it printed no reason',
        next: `run it by hand to see more: holdfast exec -- ${line}`,
      },
    );
  } finally {
    clearTimeout(timer);
    command.hangUp();
  }
}

async function collect(stream: Readable, line: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > stdoutLimit)
      throw failure('guest.output', 'a command in the guest printed too much', { why: line });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The end of what it says: where programs tell why they failed. */
async function tail(stream: Readable): Promise<string> {
  let kept = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    kept = Buffer.concat([kept, chunk]).subarray(-stderrLimit);
  }
  return kept.toString();
}
