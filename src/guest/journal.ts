import { systemRoot } from './system-root.ts';

/** `text` has the time and zone of the guest; `json` has every field. */
export type JournalFormat = 'text' | 'json';

/**
 * Runs "$@" once journald has moved to Log, or half a minute later: a journalctl(1) that follows from before that moment prints nothing
 * of this boot. systemd-journald.service(8) names the file.
 */
const whenFlushed = `for each in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
  [ ! -e ${systemRoot}/run/systemd/journal/flushed ] || break
  sleep 2
done
exec "$@"`;

/**
 * Returns the command that prints the guest's journal, oldest line first; with `follow` it waits for more.
 * @param since leaves out what was logged before, when it follows.
 */
export function journalCommand(format: JournalFormat, follow: boolean, since?: Date): readonly string[] {
  const output = format === 'json' ? 'json' : 'short-iso-precise';
  const words = ['journalctl', `--root=${systemRoot}`, '--no-pager', '--quiet', `--output=${output}`];
  if (!follow) return words;
  // systemd.time(7)
  const later = since === undefined ? [] : [`--since=@${since.getTime() / 1000}`];
  // without --no-tail, following begins with the last ten lines
  return ['sh', '-c', whenFlushed, 'sh', ...words, ...later, '--follow', '--no-tail'];
}
