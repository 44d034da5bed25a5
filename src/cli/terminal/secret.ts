import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { misuse } from '../../base/errors.ts';

/** Longer than any secret that a person types. */
const longest = 4096;

interface Streams {
  readonly stdin: NodeJS.ReadableStream & { isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream & { isTTY?: boolean };
}

/**
 * Reads a secret: at a terminal after a prompt, without echo; else all of standard input. Never from the command line, which
 * other users of the host can see.
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
      if (text.length > longest) throw misuse('usage.secret', 'standard input is longer than a key');
    }
    return text;
  }
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: stdin, output: silent, terminal: true });
  reader.on('SIGINT', () => process.kill(process.pid, 'SIGINT')); // in raw mode Ctrl-C is an ordinary key
  try {
    stderr.write(question);
    return await reader.question('', { signal });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw misuse('usage.secret', 'no input was given', { why: 'the input ended', cause: error });
  } finally {
    reader.close();
    stderr.write('\n');
  }
}
