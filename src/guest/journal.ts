import { systemRoot } from './system-root.ts';

/** `text` has the time and zone of the guest; `json` has every field. */
export type JournalFormat = 'text' | 'json';

/**
 * Returns the command that prints the guest's journal, oldest line first; with `follow` it waits for more.
 * @param since leaves out what was logged before.
 */
export function journalCommand(format: JournalFormat, follow: boolean, since?: Date): readonly string[] {
  const output = format === 'json' ? 'json' : 'short-iso-precise';
  const words = ['journalctl', `--root=${systemRoot}`, '--no-pager', '--quiet', `--output=${output}`];
  // systemd.time(7)
  const later = since === undefined ? [] : [`--since=@${since.getTime() / 1000}`];
  // without --no-tail, following begins with the last ten lines
  return [...words, ...later, ...(follow ? ['--follow', '--no-tail'] : [])];
}
