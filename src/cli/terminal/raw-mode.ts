import { text } from 'node:stream/consumers';
import { failure } from '../../base/errors.ts';
import { start, started } from '../../base/process.ts';

/**
 * Passes every key to the guest, whose terminal processes it; the returned function restores the terminal.
 * Node's own raw mode is not suitable: it still turns LF into CR LF, and full-screen programs of the guest
 * rely on LF.
 */
export async function makeTerminalRaw(): Promise<() => Promise<void>> {
  const saved = (await stty('-g')).trim();
  await stty('raw', '-echo', '-iexten');
  return async () => {
    await stty(saved);
  };
}

/** Runs stty(1), which works on the terminal that is its standard input: ours. */
async function stty(...args: readonly string[]): Promise<string> {
  const child = start('stty', args, { stdio: ['inherit', 'pipe', 'inherit'] });
  await started(child, 'stty');
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  const printed = child.stdout ? await text(child.stdout) : '';
  if ((await code) !== 0) {
    throw failure('terminal.mode', 'cannot set up the terminal for the guest', {
      why: 'stty failed',
      next: 'connect the command through pipes instead',
    });
  }
  return printed;
}
