import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import type * as z from 'zod';
import { failure, isFailure } from '../../base/errors.ts';
import { bounds } from '../../channel/bounds.ts';
import type { CommandEnd, GuestCommand, GuestSignal, StartCommand, Terminal } from '../../channel/guest.ts';
import type { Context } from '../framework/command.ts';
import { report } from '../framework/report.ts';
import type { execOutput } from '../output/guest.ts';
import { terminalOf } from './terminal.ts';

type AttachContext = Context<z.input<typeof execOutput>>;

interface AttachOptions {
  readonly terminal: Terminal | undefined;
  readonly noStdin?: boolean | undefined;
}

/** As ssh: the connection was lost, so the command's end is unknown. */
const lostCode = 255;

/** As a program that SIGPIPE ended. */
const unreadCode = 128 + constants.signals.SIGPIPE;

/** Signals to this process that are forwarded to the command in the guest. */
const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const satisfies readonly GuestSignal[];

/**
 * Runs a command in the guest as if it ran here: standard streams, signals, terminal and exit code are its own. A command
 * that a signal ended gives 128 and the signal's number, a lost connection 255. With `--json` its outputs and its code
 * are printed as one object.
 * @param options.terminal for the guest; undefined: pipes.
 * @param options.noStdin gives the command an empty input, and leaves ours unread.
 */
export async function attach(
  context: AttachContext,
  start: StartCommand,
  argv: readonly string[] | undefined,
  { terminal, noStdin }: AttachOptions,
): Promise<void> {
  const { streams, signal, json, exitWith } = context;
  const command = await Promise.race([start(argv, json ? undefined : terminal), aborted(signal)]);
  const reader = watchReaders(streams, () => command.hangUp());
  try {
    if (json) await printAsJson(command, context, noStdin);
    else exitWith(exitCodeOf(await joinStreams(command, streams, { terminal, noStdin })));
  } catch (error) {
    if (!reader.isGone() && !isLost(error)) throw error;
    if (!reader.isGone()) report(error, streams.stderr, json, context.machine.name);
    exitWith(reader.isGone() ? unreadCode : lostCode);
  } finally {
    command.hangUp();
  }
}

function isLost(error: unknown): boolean {
  return isFailure(error, 'channel.lost', 'supervisor.hangs', 'supervisor.lost');
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

/** Calls `onGone` when a reader of our output exits early: `holdfast exec -- yes | head`. */
function watchReaders({ stdout, stderr }: Context['streams'], onGone: () => void) {
  let isGone = false;
  for (const stream of [stdout, stderr]) {
    stream.on('error', () => {
      isGone = true;
      onGone();
    });
  }
  return { isGone: () => isGone };
}

/** Connects the command with our streams, signals and terminal until it ends. */
async function joinStreams(
  command: GuestCommand,
  streams: Context['streams'],
  { terminal, noStdin }: AttachOptions,
): Promise<CommandEnd> {
  const resize = () => {
    const { columns, rows } = terminalOf(streams);
    command.resize(columns, rows);
  };
  // first of all: Ctrl-C while the terminal is made raw is a signal still, and must not be lost
  const releaseInput = joinInput(command, streams, noStdin);
  let restore: (() => Promise<void>) | undefined;
  try {
    // loaded only here: a command without a terminal should not wait for it
    restore = terminal && (await (await import('./raw-mode.ts')).makeTerminalRaw());
    if (terminal) streams.stdout.on('resize', resize);
    command.stdout.pipe(streams.stdout, { end: false });
    command.stderr.pipe(streams.stderr, { end: false });
    return await command.ended;
  } finally {
    releaseInput();
    streams.stdout.off('resize', resize);
    await restore?.();
  }
}

/** Connects our standard input and signals; the returned function undoes it. */
function joinInput(
  command: GuestCommand,
  { stdin }: Pick<Context['streams'], 'stdin'>,
  noStdin: boolean | undefined,
): () => void {
  const forwarders = forwarded.map((name) => [name, () => command.signal(name)] as const);
  for (const [name, forward] of forwarders) process.on(name, forward);
  command.stdin.on('error', () => {}); // the command may end before it has read its input
  if (noStdin) command.stdin.end();
  else {
    stdin.on('error', () => command.stdin.end()); // the terminal was closed
    stdin.pipe(command.stdin);
  }
  return () => {
    for (const [name, forward] of forwarders) process.off(name, forward);
    if (noStdin) return;
    stdin.unpipe(command.stdin);
    stdin.pause();
  };
}

async function printAsJson(
  command: GuestCommand,
  { streams, output, exitWith }: AttachContext,
  noStdin: boolean | undefined,
): Promise<void> {
  const releaseInput = joinInput(command, streams, noStdin);
  const [stdout, stderr, end] = await Promise.all([
    collect(command.stdout),
    collect(command.stderr),
    command.ended,
  ]).finally(releaseInput);
  const code = exitCodeOf(end);
  exitWith(code);
  const encoding = [stdout, stderr].every(isText) ? 'utf8' : 'base64';
  output.result(
    {
      exitCode: code,
      ...('signal' in end && { signal: end.signal }),
      encoding,
      stdout: stdout.toString(encoding),
      stderr: stderr.toString(encoding),
    },
    '',
  );
}

async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bounds.execJson.bytes) {
      throw failure('guest.output', 'cannot return the output with --json: it is too long', {
        why: `at most ${bounds.execJson.bytes} bytes of each stream are returned`,
        next: 'run it without --json',
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function isText(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString('utf8'), 'utf8').equals(bytes);
}

/**
 * Returns the exit code for this process: the guest's has 32 bits, a process has eight, and 256 must not
 * become success.
 */
function exitCodeOf(end: CommandEnd): number {
  if ('code' in end) return Math.min(end.code, 255);
  const number = Object.entries(constants.signals).find(([name]) => name === end.signal)?.[1];
  return number === undefined ? lostCode : 128 + number;
}
