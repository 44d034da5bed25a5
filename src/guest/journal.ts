import { systemRoot } from './system-root.ts';

/** `text` has the time and zone of the guest; `json` has every field. */
export type JournalFormat = 'text' | 'json';

/** Returns the command that prints the guest's journal, oldest line first; with `follow` it waits for more. */
export function journalCommand(format: JournalFormat, follow: boolean): readonly string[] {
  const output = format === 'json' ? 'json' : 'short-iso-precise';
  const words = ['journalctl', `--root=${systemRoot}`, '--no-pager', '--quiet', `--output=${output}`];
  // without --no-tail, following begins with the last ten lines
  return follow ? [...words, '--follow', '--no-tail'] : words;
}
