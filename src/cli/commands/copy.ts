import { misuse } from '../../base/errors.ts';
import type { SkippedItem, SkippedKind } from '../../channel/copy-filter.ts';
import { copyIn } from '../../channel/copy-in.ts';
import { copyOut } from '../../channel/copy-out.ts';
import { type CopyPath, parseCopyPath } from '../../channel/copy-paths.ts';
import type { StartCommand } from '../../channel/guest.ts';
import { guestOf } from '../../supervisor/guest.ts';
import { defineCommand } from '../framework/command.ts';
import { required, setting, toggle } from '../framework/parameters.ts';

export const copyCommand = defineCommand({
  description: [
    'Directories are copied recursively, with modes, times and symbolic links. Exactly one of SRC and DST is in the guest: a colon marks its path, which is relative to the home directory there.',
    'A symbolic link is copied as a link. Out of the guest, links that lead out of SRC are skipped unless --links is given. A slash at the end of SRC or DST stands for the directory that a link leads to; DST is not followed without it. Devices, pipes and sockets are skipped. What is skipped is reported on standard error.',
    'On this host the umask applies, and set-user-id, set-group-id and sticky bits are not copied. Existing files and links are replaced, and never written through.',
  ].join('\n'),
  arguments: {
    source: required('SRC', 'File or directory to copy; :PATH is in the guest', parseCopyPath),
    destination: required(
      'DST',
      'Directory to copy into, or a new name; :PATH is in the guest',
      parseCopyPath,
    ),
  },
  flags: {
    follow: toggle('Copy what SRC points to if it is a symbolic link'),
    links: toggle('Also copy links out of the guest that lead out of SRC'),
    xattrs: toggle('Copy extended attributes of the user namespace'),
    root: toggle('Read or write as root in the guest, such as in /etc'),
    owner: setting('USER[:GROUP]', 'Owner of the copy in the guest, with --root', parseOwner),
    mode: setting('MODE', 'Permission bits of copied files in the guest, in octal', parseMode),
  },
  examples: [
    ['holdfast copy site.conf :', 'Copy a file to the home directory in the guest'],
    ['holdfast copy ./images :images', 'Copy a directory recursively, with modes and symbolic links'],
    [
      'holdfast copy --root --mode 600 key.pem :/etc/ssl/private/',
      'Copy a file to a directory of root, which then owns it',
    ],
    ['holdfast copy :/var/log/app.log .', 'Copy a file from the guest to the current directory'],
    ['holdfast copy --follow :/srv/latest .', 'Copy the file or directory that a link in the guest leads to'],
  ],
  output: async () => (await import('../output/guest.ts')).copyOutput,
  async run({ arguments: { source, destination }, flags, machine, progress, signal, output, streams, json }) {
    if (source.side === destination.side) {
      throw misuse(
        'copy.sides',
        `both SRC and DST are ${source.side === 'guest' ? 'in the guest' : 'on this host'}`,
        {
          why: 'one of them must be in the guest and the other on this host',
          next:
            source.side === 'guest'
              ? 'use `holdfast exec -- cp -r SRC DST`'
              : 'put a colon in front of the path in the guest, such as :notes.txt',
        },
      );
    }
    checkOwnership(destination.side, flags);
    const user = guestOf(machine, 'user').start;
    const start = flags.root ? asRoot(user) : user;
    const copy = destination.side === 'guest' ? copyIn : copyOut;
    const { skipped, skippedCount } = await copy(start, source.path, destination.path, {
      progress,
      signal,
      links: flags.links ? 'all' : 'inside',
      follow: flags.follow,
      attributes: flags.xattrs,
      ownership: { owner: flags.owner, mode: flags.mode },
    });
    if (!json) for (const line of skippedLines(skipped, skippedCount)) streams.stderr.write(`${line}\n`);
    output.result({ machine: machine.name, source, destination, skipped, skippedCount }, '');
  },
});

/** Returns what starts commands as root. */
function asRoot(start: StartCommand): StartCommand {
  return (argv, terminal) => start(argv && ['sudo', '--non-interactive', '--', ...argv], terminal);
}

/** @throws HoldfastError `copy.ownership` for flags that would have no effect. */
function checkOwnership(
  side: CopyPath['side'],
  { root, owner, mode }: { root: boolean; owner: string | undefined; mode: number | undefined },
): void {
  if (side === 'host' && (owner !== undefined || mode !== undefined))
    throw misuse('copy.ownership', 'cannot set owner or mode of a copy on this host', {
      why: 'it belongs to the caller, and the umask applies',
      next: 'use chown and chmod on this host',
    });
  if (owner !== undefined && !root)
    throw misuse('copy.ownership', 'cannot set the owner without --root', {
      why: 'only root can give files to another user',
      next: 'add --root',
    });
}

function parseOwner(word: string): string {
  if (/^(?=.)[\w.-]{0,64}(?::[\w.-]{1,64})?$/.test(word) && !word.startsWith('-')) return word;
  throw misuse('copy.ownership', `invalid owner '${word}'`, { next: 'write USER, USER:GROUP or :GROUP' });
}

function parseMode(word: string): number {
  if (/^0?[0-7]{3}$/.test(word)) return Number.parseInt(word, 8);
  throw misuse('copy.ownership', `invalid mode '${word}'`, {
    next: 'write three octal digits, such as 640',
  });
}

/** Lines on standard error; `--json` has more. */
const namedLines = 20;

const reasons: Readonly<Record<SkippedKind, string>> = {
  link: 'it leads out of what is copied; --links copies it',
  device: 'it is a device',
  pipe: 'it is a pipe',
  socket: 'it is a socket',
};

/** Returns what standard error says about skipped items. */
export function skippedLines(skipped: readonly SkippedItem[], count: number): string[] {
  const named = skipped.slice(0, namedLines);
  const lines = named.map(({ path, kind }) => `skipped ${path}: ${reasons[kind]}`);
  const others = count - named.length;
  return others > 0 ? [...lines, `skipped ${others} more`] : lines;
}
