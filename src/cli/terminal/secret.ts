import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { misuse } from '../../base/errors.ts';

/** Longer than any secret that somebody types. */
const longest = 4096;

interface Streams {
  readonly stdin: NodeJS.ReadableStream & { isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream & { isTTY?: boolean };
}

/**
 * Reads a secret: at a terminal it asks, and does not show what is typed; else it is all of standard input. Never from the
 * command line, which others on the host can see.
 * @throws HoldfastError `usage.secret` when there is too much of it; the signal's reason.
 */
export async function askSecret(
  { stdin, stderr }: Streams,
  question: string,
  signal: AbortSignal,
): Promise<string> {
  if (!stdin.isTTY || !stderr.isTTY) {
    let text = '';
    for await (const piece of stdin) {
      text += String(piece);
      if (text.length > longest) throw misuse('usage.secret', 'there is more on standard input than a key');
    }
    return text;
  }
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: stdin, output: silent, terminal: true });
  reader.on('SIGINT', () => process.kill(process.pid, 'SIGINT')); // in raw mode Ctrl-C is a key like others
  try {
    stderr.write(question);
    return await reader.question('', { signal });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw misuse('usage.secret', 'nothing was given', { why: 'the input ended', cause: error });
  } finally {
    reader.close();
    stderr.write('\n');
  }
}
