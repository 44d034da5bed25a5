/** Returns a command as a line that can be pasted into a POSIX shell. */
export function quoteCommand(program: string, args: readonly string[]): string {
  return [program, ...args].map(quoteWord).join(' ');
}

/** Returns one word for a POSIX shell. */
export function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
