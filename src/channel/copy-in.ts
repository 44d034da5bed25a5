import { lstat, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, failure, HoldfastError } from '../base/errors.ts';
import { debug } from '../base/log.ts';
import { run } from '../base/process.ts';
import { ArchiveError } from '../tar/entry.ts';
import { itemName, TreeFilter } from './copy-filter.ts';
import { type CopyOptions, type CopyResult, resultOf } from './copy-options.ts';
import { type ArchiveSource, archiveSource } from './copy-paths.ts';
import {
  copyError,
  isArchived,
  parseSizeLine,
  sizeCommand,
  skippedSockets,
  startArchive,
  unpackArguments,
} from './copy-tar.ts';
import { meter, SinkClosed, transfer } from './copy-transfer.ts';
import type { CommandEnd, StartCommand } from './guest.ts';
import { readTail } from './run.ts';

/** Gives copied directories the owner and mode of those that exist already: sh -c SCRIPT sh ITEM DESTINATION DIRECTORY... */
const adopt = `
item=$1 dst=$2 user=$(id -u)
shift 2
for directory; do
  old=$dst\${directory#"$item"}
  if [ -d "$old" ] && [ ! -L "$old" ]; then
    [ "$user" != 0 ] || chown --reference="$old" -- "$directory"
    chmod --reference="$old" -- "$directory"
  fi
done
`;

/**
 * Receives an archive in the guest: sh -c SCRIPT sh DESTINATION NAME OWNER. Unpacks it next to the
 * destination, then moves it into place as `cp -r` would: directories that exist keep their owner
 * and mode. Failures and interruptions leave nothing behind.
 */
const receive = `
trap '' PIPE # a hang-up also closes standard error, and sh must survive writing to it
set -eu
umask 0 # preserve modes
dst=$1
if [ -d "$dst" ]; then
  dst=\${dst%/}/$2
fi
stage=$(mktemp -d -- "$(dirname -- "$dst")/.holdfast-copy.XXXXXX")
trap 'chmod -R u+rwX -- "$stage"; rm -rf -- "$stage"' EXIT
trap 'exit 129' HUP
mkdir "$stage/new"
owner=$3
shift 3
tar "$@" --directory="$stage/new"
item=$stage/new/${itemName}
[ -z "$owner" ] || chown --recursive --no-dereference -- "$owner" "$stage/new"
if [ -d "$item" ] && [ ! -L "$item" ] && [ -d "$dst" ]; then
  find "$item" -depth -type d -exec sh -c '${adopt}' sh "$item" "$dst" {} +
  cp --archive --remove-destination --no-target-directory -- "$item" "$dst"
elif [ -d "$item" ] && [ ! -L "$item" ]; then
  mode=$(stat --format=%a -- "$item")
  chmod u+w -- "$item" # required for moving it
  mv --no-target-directory -- "$item" "$dst"
  chmod "$mode" -- "$dst"
else
  mv --force --no-target-directory -- "$item" "$dst"
fi
`;

/**
 * Copies a file or directory from this host to the guest as `cp -r` does: into an existing
 * directory, or to a new name. All links are copied; pipes, devices and sockets are skipped.
 * @throws HoldfastError `copy.source`, `copy.failed`, `copy.stalled`, and what `start` throws; the
 *   signal's reason.
 */
export async function copyIn(
  start: StartCommand,
  hostPath: string,
  guestPath: string,
  options: CopyOptions,
): Promise<CopyResult> {
  const { progress, signal, attributes, ownership } = options;
  const source = await checkedSource(hostPath, options);
  const filter = new TreeFilter({ name: source.name, links: 'all', attributes, mode: ownership.mode });
  const measuring = new AbortController();
  const names = [guestPath, source.base ?? '.', ownership.owner ?? ''];
  const argv = ['sh', '-c', receive, 'sh', ...names, ...unpackArguments(attributes)];
  const command = await start(argv);
  signal.addEventListener('abort', command.hangUp);
  try {
    signal.throwIfAborted();
    const tar = await startArchive(source, attributes);
    const errors = readTail(command.stderr);
    command.stdout.resume();
    command.stdin.on('error', () => {}); // the exit code reports failures
    const [passed, hostCode, guestEnd] = await progress.step(`Copying ${hostPath}`, (step) => {
      const report = meter(step, hostSize(source, measuring.signal));
      const passing = transfer(tar.output, filter, command.stdin, report).then(
        () => undefined,
        (error: unknown) => ({ error }),
      );
      void passing.then((failed) => {
        if (failed && !(failed.error instanceof SinkClosed)) command.hangUp(); // else the guest ended, and says why
      });
      return Promise.all([
        passing,
        Promise.all([passing, tar.ended]).then(([failed, code]) => {
          if (!failed && isArchived(code)) command.stdin.end();
          else command.hangUp(); // the guest must not accept a truncated archive
          return code;
        }),
        command.ended.catch((error: unknown) => ({ error })).finally(tar.kill),
      ]);
    });
    signal.throwIfAborted();
    for (const path of skippedSockets(await tar.errors)) filter.addSkipped(path, 'socket');
    if (isDone(guestEnd)) return resultOf(filter);
    if (!('error' in guestEnd))
      throw copyError(`cannot write :${guestPath} in the guest`, await errors, 'guest');
    if (hostCode !== null && !isArchived(hostCode))
      throw copyError(`cannot read ${hostPath}`, await tar.errors, 'host');
    if (passed?.error instanceof ArchiveError)
      throw copyError(`cannot copy ${hostPath}`, passed.error.message, 'host');
    throw passed?.error instanceof HoldfastError ? passed.error : guestEnd.error;
  } finally {
    measuring.abort();
    signal.removeEventListener('abort', command.hangUp);
    command.hangUp();
  }
}

/** Returns what tar archives, once it is known to be there and of a kind that is copied. */
async function checkedSource(path: string, { follow }: CopyOptions): Promise<ArchiveSource> {
  const named = archiveSource(path);
  try {
    const source = follow ? { ...archiveSource(await realpath(path)), base: named.base } : named;
    const found = await lstat(join(source.directory, source.name === '.' ? '/.' : source.name));
    if (!found.isFile() && !found.isDirectory() && !found.isSymbolicLink())
      throw new Error('only files, directories and symbolic links are copied');
    return source;
  } catch (error) {
    throw failure('copy.source', `cannot copy ${path}`, { why: describe(error), cause: error });
  }
}

function isDone(end: CommandEnd | { readonly error: unknown }): boolean {
  return 'code' in end && end.code === 0;
}

async function hostSize(source: ArchiveSource, signal: AbortSignal): Promise<number | undefined> {
  const [program, ...args] = sizeCommand(source);
  try {
    return parseSizeLine((await run(program, args, { accept: [0, 1], signal })).stdout.toString());
  } catch (error) {
    debug('channel', `size not known: ${describe(error)}`);
    return undefined;
  }
}
