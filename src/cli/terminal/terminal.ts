import type { Terminal } from '../../channel/guest.ts';
import type { Context } from '../framework/command.ts';

/** Returns the user's terminal, for the guest. */
export function terminalOf({ stdout }: Pick<Context['streams'], 'stdout'>): Terminal {
  return {
    type: guestType(process.env.TERM ?? ''),
    columns: stdout.columns || 80,
    rows: stdout.rows || 24,
  };
}

/** Terminals that the guest can describe and that are in use: files of Debian's ncurses-base (terminfo(5)). */
const described =
  /^(?:dumb|ansi|cygwin|linux|rxvt|rxvt-unicode(?:-256color)?|(?:screen|tmux|xterm)(?:-256color)?|xterm-(?:color|mono)|vt(?:100|102|220))$/;

/** Terminals that resemble one of those, first match first. Current ones resemble xterm. */
const similar: readonly (readonly [RegExp, string])[] = [
  [/^(?:|dumb|unknown|emacs)(?:-|$)|[^\w.+-]|^.{65}/, 'dumb'],
  [/^(?:screen|tmux)/, 'screen-256color'],
  [/^rxvt/, 'rxvt-unicode-256color'],
  [/^(?:linux|fbterm|bterm)/, 'linux'],
  [/^vt\d/, 'vt220'],
];

/** Returns the terminal type for the guest, which has no description of kitty, Ghostty or Alacritty: programs would fail. */
export function guestType(type: string): string {
  if (described.test(type)) return type;
  return similar.find(([pattern]) => pattern.test(type))?.[1] ?? 'xterm-256color';
}
