import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, failure } from '../base/errors.ts';
import { debug } from '../base/log.ts';
import { run } from '../base/process.ts';
import type { Progress } from '../base/progress.ts';
import { type Source, sourceOf } from './copy-paths.ts';
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
 * Receives an archive in the guest: sh -c SCRIPT sh DESTINATION NAME. Unpacks beside the destination, then puts it in its
 * place as `cp -r` would; what fails or is interrupted leaves nothing.
 */
const receive = `
trap '' PIPE # who hangs up closes standard error too, and sh must not die of telling there
set -eu
umask 0 # modes as they are
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
  chmod u+w -- "$item" # or it could not be moved
  mv --no-target-directory -- "$item" "$dst"
  chmod "$mode" -- "$dst"
else
  mv --force --no-target-directory -- "$item" "$dst"
fi
`;

/**
 * Copies a file or directory of this host into the guest, as `cp -r` does: into a directory that exists, or to a new name.
 * @throws HoldfastError `copy.source`, `copy.failed`, and what `start` throws; the signal's reason.
 */
export async function copyIn(
  start: StartCommand,
  hostPath: string,
  guestPath: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const source = sourceOf(hostPath);
  await lstat(join(source.directory, source.name)).catch((error: unknown) => {
    throw failure('copy.source', `${hostPath} cannot be copied`, { why: describe(error), cause: error });
  });
  const measuring = new AbortController();
  const command = await start(['sh', '-c', receive, 'sh', guestPath, source.name]);
  signal.addEventListener('abort', command.hangUp);
  try {
    signal.throwIfAborted();
    const tar = await startArchive(source);
    const said = readTail(command.stderr);
    command.stdout.resume();
    command.stdin.on('error', () => {}); // the guest tells by its exit code
    const [hostCode, guestEnd] = await progress.step(`Copying ${hostPath}`, (step) => {
      meter(tar.output, step, hostSize(source, measuring.signal));
      tar.output.pipe(command.stdin, { end: false });
      return Promise.all([
        tar.ended.then((code) => {
          if (isArchived(code)) command.stdin.end();
          else command.hangUp(); // the guest must not take half an archive for all of it
          return code;
        }),
        command.ended.catch((error: unknown) => ({ error })).finally(tar.kill),
      ]);
    });
    signal.throwIfAborted();
    if ('error' in guestEnd) {
      if (hostCode === null || isArchived(hostCode)) throw guestEnd.error;
      throw copyError(`${hostPath} could not be read`, await tar.said);
    }
    if (!isDone(guestEnd)) throw copyError(`:${guestPath} could not be written in the guest`, await said);
  } finally {
    measuring.abort();
    signal.removeEventListener('abort', command.hangUp);
    command.hangUp();
  }
}

function isDone(end: CommandEnd): boolean {
  return 'code' in end && end.code === 0;
}

async function hostSize(source: Source, signal: AbortSignal): Promise<number | undefined> {
  const [program, ...args] = sizeCommand(source);
  try {
    return parseSizeLine((await run(program, args, { accept: [0, 1], signal })).stdout.toString());
  } catch (error) {
    debug('channel', `size not known: ${describe(error)}`);
    return undefined;
  }
}
