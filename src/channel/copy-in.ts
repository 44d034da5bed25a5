import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, failure } from '../base/errors.ts';
import { debug } from '../base/log.ts';
import { run } from '../base/process.ts';
import type { Progress } from '../base/progress.ts';
import { type ArchiveSource, archiveSource } from './copy-paths.ts';
import {
  copyError,
  isArchived,
  meter,
  parseSizeLine,
  sizeCommand,
  startArchive,
  unpackArguments,
} from './copy-tar.ts';
import type { CommandEnd, StartCommand } from './guest.ts';
import { readTail } from './run.ts';

/**
 * Receives an archive in the guest: sh -c SCRIPT sh DESTINATION NAME. Unpacks it next to the
 * destination, then moves it into place as `cp -r` would. Failures and interruptions leave nothing
 * behind.
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
tar ${unpackArguments('"$stage/new"').join(' ')}
item=$stage/new
if [ "$2" != . ]; then
  item=$item/$2
fi
if [ -d "$item" ] && [ -d "$dst" ]; then
  cp --archive --remove-destination --no-target-directory -- "$item" "$dst"
elif [ -d "$item" ]; then
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
 * directory, or to a new name.
 * @throws HoldfastError `copy.source`, `copy.failed`, and what `start` throws; the signal's reason.
 */
export async function copyIn(
  start: StartCommand,
  hostPath: string,
  guestPath: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const source = archiveSource(hostPath);
  await lstat(join(source.directory, source.name)).catch((error: unknown) => {
    throw failure('copy.source', `cannot copy ${hostPath}`, { why: describe(error), cause: error });
  });
  const measuring = new AbortController();
  const command = await start(['sh', '-c', receive, 'sh', guestPath, source.name]);
  signal.addEventListener('abort', command.hangUp);
  try {
    signal.throwIfAborted();
    const tar = await startArchive(source);
    const errors = readTail(command.stderr);
    command.stdout.resume();
    command.stdin.on('error', () => {}); // the exit code reports failures
    const [hostCode, guestEnd] = await progress.step(`Copying ${hostPath}`, (step) => {
      meter(tar.output, step, hostSize(source, measuring.signal));
      tar.output.pipe(command.stdin, { end: false });
      return Promise.all([
        tar.ended.then((code) => {
          if (isArchived(code)) command.stdin.end();
          else command.hangUp(); // the guest must not accept a truncated archive
          return code;
        }),
        command.ended.catch((error: unknown) => ({ error })).finally(tar.kill),
      ]);
    });
    signal.throwIfAborted();
    if ('error' in guestEnd) {
      if (hostCode === null || isArchived(hostCode)) throw guestEnd.error;
      throw copyError(`cannot read ${hostPath}`, await tar.errors);
    }
    if (!isDone(guestEnd)) throw copyError(`cannot write :${guestPath} in the guest`, await errors);
  } finally {
    measuring.abort();
    signal.removeEventListener('abort', command.hangUp);
    command.hangUp();
  }
}

function isDone(end: CommandEnd): boolean {
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
