/** How the journal is printed: for people with the guest's own time and zone, or every field as JSON. */
export type JournalFormat = 'text' | 'json';

/** The command that prints the guest's journal, oldest line first; with `follow` it then waits for more. */
export function journalCommand(format: JournalFormat, follow: boolean): readonly string[] {
  const output = format === 'json' ? 'json' : 'short-iso-precise';
  const words = ['sudo', '-n', 'journalctl', '--no-pager', '--quiet', `--output=${output}`];
  // without it, following begins with the last ten lines only
  return follow ? [...words, '--follow', '--no-tail'] : words;
}
