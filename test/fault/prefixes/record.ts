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
 * Records what an update writes. A program of QEMU's name, first on PATH, puts QEMU's blklogwrites in front of disk and variable
 * store: it logs each write after it was made, the guest's and those that come over NBD, and each flush.
 */

/** How far the logs of a start of the machine had come, and whether the host has just synced its variable store. */
interface Mark {
  readonly start: number;
  readonly disk: number;
  readonly variables: number;
  readonly synced: boolean;
}

/** How often the logs are looked at. What came in between is taken to have come in any order: milliseconds. */
const lookEvery = 2;

/**
 * When these are printed, what came before is synced: `changeVariables` resolves after that, and the next step begins then
 * (src/update/advance.ts).
 */
const afterSync = /^\.{5} (?:Writing the release|Stopping the machine)/;

export interface Recording {
  /** What happened, in its order. */
  events(): AsyncGenerator<Event>;
}

/** @param directory that is empty. */
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
    // what came since the last look came after it: nothing is staged or started before the line
    if (synced && before) marks.push({ ...before, synced: true });
    synced = false;
    const count = (await readdir(logs)).filter((entry) => !entry.endsWith('.new')).length;
    // what the start before still wrote comes first
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
    // the variables first: what came to the disk in the meantime is looked at with what they may be then
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

/** A shell script, as QEMU itself must be the process that its supervisor started. */
function recorderText(qemu: string, logs: string, variables: string): string {
  // 1: the log's head is right whatever ends QEMU
  const log = (name: string) =>
    `driver=blklogwrites,log-super-update-interval=1,log.driver=file,log.filename=$at/${name}`;
  return `#!/bin/sh
set -eu
case "$*" in
  *node-name=disk,*) ;;
  *) exec ${quoteWord(qemu)} "$@" ;; # it is only asked something
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
