import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { isSystemError } from '../../../src/base/errors.ts';
import { findProgram } from '../../../src/base/find-program.ts';
import { start } from '../../../src/base/process.ts';
import { quoteWord } from '../../../src/base/shell-quote.ts';
import { program } from '../../support/vm/machine.ts';
import type { Event } from './check.ts';
import { WriteLog } from './write-log.ts';

/*
 * Records the writes of an update. A program with QEMU's name, first in PATH, adds QEMU's blklogwrites to disk and variable
 * store, which logs each completed write, of the guest and over NBD, and each flush.
 */

/** The positions in the logs of a start of the machine, and whether the host has just synced the variable store. */
interface Mark {
  readonly start: number;
  readonly disk: number;
  readonly variables: number;
  readonly synced: boolean;
}

/** Interval in milliseconds at which the logs are read. Entries within an interval can have any order. */
const lookEvery = 2;

/**
 * When these lines are printed, everything before is synced: `changeVariables` resolves after that, and then the next step begins
 * (src/update/advance.ts).
 */
const afterSync = /^\.{5} (?:Writing the release|Stopping the machine)/;

export interface Recording {
  /** The events in order. */
  events(): AsyncGenerator<Event>;
}

/** @param directory an empty directory. */
export async function recordUpdate(
  words: readonly string[],
  home: string,
  variables: string,
  directory: string,
): Promise<Recording> {
  const [tools, logs] = [join(directory, 'tools'), join(directory, 'starts')];
  for (const path of [tools, logs]) await mkdir(path);
  const qemu = await findProgram('qemu-system-x86_64');
  if (qemu === undefined) throw new Error('QEMU is not installed');
  const recorder = join(tools, 'qemu-system-x86_64');
  await writeFile(recorder, recorderText(qemu, logs, variables));
  await chmod(recorder, 0o755);

  const env = {
    ...process.env,
    HOLDFAST_HOME: home,
    HOLDFAST_PROGRESS: 'plain',
    PATH: `${tools}:${process.env.PATH}`,
  };
  const marks: Mark[] = [];
  const child = start(program, words, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const said: string[] = [];
  let synced = false;
  if (child.stderr === null) throw new TypeError('the command has no standard error');
  createInterface(child.stderr).on('line', (line) => {
    said.push(line);
    synced ||= afterSync.test(line);
  });
  let ended = false;
  const exit = once(child, 'close').then(() => {
    ended = true;
  });
  for (let isLast = false; !isLast; await sleep(lookEvery)) {
    isLast = ended;
    const before = marks.at(-1);
    // new entries came after the line: nothing is staged or started before it
    if (synced && before) marks.push({ ...before, synced: true });
    synced = false;
    const count = (await readdir(logs)).filter((entry) => !entry.endsWith('.new')).length;
    // the last writes of the previous start come first
    for (let number = before?.start ?? 0; number < count; number += 1) {
      const at = join(logs, String(number));
      const [disk, store] = await Promise.all([sizeOf(join(at, 'disk')), sizeOf(join(at, 'variables'))]);
      const last = marks.at(-1);
      if (last?.start !== number || last.disk !== disk || last.variables !== store)
        marks.push({ start: number, disk, variables: store, synced: false });
    }
  }
  await exit;
  if (child.exitCode !== 0) throw new Error(`the update ended with ${child.exitCode}: ${said.join('\n')}`);
  return { events: () => eventsOf(marks, logs) };
}

async function* eventsOf(marks: readonly Mark[], logs: string): AsyncGenerator<Event> {
  let current = -1;
  let [disk, variables]: [WriteLog | undefined, WriteLog | undefined] = [undefined, undefined];
  for (const mark of marks) {
    if (mark.start !== current) {
      current = mark.start;
      const at = join(logs, String(current));
      [disk, variables] = [new WriteLog(join(at, 'disk')), new WriteLog(join(at, 'variables'))];
      yield { kind: 'replaced', image: await readFile(join(at, 'before')) };
      yield { kind: 'started' };
    }
    // the variables first: later disk writes are checked with all possible states of the variables
    for (const write of (await variables?.read(mark.variables)) ?? [])
      if (write.kind === 'write') yield { kind: 'variables', offset: write.offset, data: write.data };
    for (const write of (await disk?.read(mark.disk)) ?? []) yield write;
    if (mark.synced) yield { kind: 'synced' };
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return 0;
    throw error;
  }
}

/** Returns a shell script that executes QEMU, which must be the process that the supervisor started. */
function recorderText(qemu: string, logs: string, variables: string): string {
  // 1: the head of the log is valid however QEMU ends
  const log = (name: string) =>
    `driver=blklogwrites,log-super-update-interval=1,log.driver=file,log.filename=$at/${name}`;
  return `#!/bin/sh
set -eu
case "$*" in
  *node-name=disk,*) ;;
  *) exec ${quoteWord(qemu)} "$@" ;; # only a query
esac
number=0
while [ -e ${quoteWord(logs)}/$number ]; do number=$((number + 1)); done
at=${quoteWord(logs)}/$number
mkdir $at.new
cp ${quoteWord(variables)} $at.new/before
: >$at.new/disk
: >$at.new/variables
mv $at.new $at
for word; do
  shift
  case $word in
    node-name=disk,*)
      set -- "$@" "node-name=disk-itself,\${word#node-name=disk,}" \\
        -blockdev "node-name=disk,file=disk-itself,${log('disk')}" ;;
    node-name=variables,*)
      set -- "$@" "node-name=variables-itself,\${word#node-name=variables,}" \\
        -blockdev "node-name=variables,file=variables-itself,${log('variables')}" ;;
    *) set -- "$@" "$word" ;;
  esac
done
exec ${quoteWord(qemu)} "$@"
`;
}
