import type { Terminal } from '../../channel/guest.ts';
import type { Context } from '../framework/command.ts';

/** Returns the user's terminal, for the guest. */
export function terminalOf({ stdout }: Pick<Context['streams'], 'stdout'>): Terminal {
  return {
    type: /^[\w.+-]{1,64}$/.exec(process.env.TERM ?? '')?.[0] ?? 'dumb',
    columns: stdout.columns || 80,
    rows: stdout.rows || 24,
  };
}
