import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guestType } from '../../../../src/cli/terminal/terminal.ts';

test('the guest gets a terminal type that it can describe', () => {
  const expected: Readonly<Record<string, string>> = {
    'xterm-256color': 'xterm-256color',
    xterm: 'xterm',
    linux: 'linux',
    'tmux-256color': 'tmux-256color',
    dumb: 'dumb',
    'xterm-kitty': 'xterm-256color',
    'xterm-ghostty': 'xterm-256color',
    alacritty: 'xterm-256color',
    foot: 'xterm-256color',
    'st-256color': 'xterm-256color',
    wezterm: 'xterm-256color',
    'screen.xterm-new': 'screen-256color',
    'tmux-direct': 'screen-256color',
    'rxvt-88color': 'rxvt-unicode-256color',
    'linux-16color': 'linux',
    vt320: 'vt220',
    '': 'dumb',
    unknown: 'dumb',
    'dumb-emacs-ansi': 'dumb',
    'emacs-26': 'dumb',
    '../../etc/passwd': 'dumb',
    'a\nb': 'dumb',
    ['x'.repeat(65)]: 'dumb',
  };
  for (const [type, name] of Object.entries(expected)) assert.equal(guestType(type), name, type);
});
