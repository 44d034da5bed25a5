/** Set by `--debug`, or `HOLDFAST_DEBUG=1`: commands and decisions go to standard error. */
let enabled = process.env.HOLDFAST_DEBUG === '1';

export function enableDebug(): void {
  enabled = true;
}

export function isDebug(): boolean {
  return enabled;
}

/** A line for whoever debugs. Never pass secrets. */
export function debug(line: string): void {
  if (enabled) process.stderr.write(`debug: ${line}\n`);
}

/** The command as a line that can be pasted into a POSIX shell. */
export function quoteCommand(program: string, args: readonly string[]): string {
  return [program, ...args].map(quoteWord).join(' ');
}

/** One word for a POSIX shell. */
export function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
