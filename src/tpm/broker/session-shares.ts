import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { isFailure, isSystemError } from '../../base/errors.ts';
import { makePrivateDirectory, readBounded } from '../../base/files.ts';
import { type Lock, takeLock } from '../../base/lock.ts';
import { type Handle, isSession } from '../codec/handles.ts';

/**
 * The sessions of all machines of a home: half of what a TPM has for all users (64 or more: TCG PC Client Platform TPM
 * Profile, TPM_PT_ACTIVE_SESSIONS_MAX). The last shares are for machines that have none yet.
 */
const sessionsInShare = 2;
const shares = 16;
const firstShares = 4;

const record = z.strictObject({
  boot: z.string().max(64),
  sessions: z.array(z.int().transform((handle) => handle as Handle)).max(64),
});

/** The shares of one machine in the host TPM's sessions. */
export interface SessionShares {
  /** Makes room for a number of sessions in all. @returns false when the machines of the home have too many. */
  reserve(count: number): Promise<boolean>;
  /** Records the sessions that would stay in the TPM if this process died, and gives back shares that `count` sessions do not need. */
  settle(count: number, lasting: readonly Handle[]): Promise<void>;
}

/** No bound but the machine's own. */
export const unshared: SessionShares = { reserve: async () => true, settle: async () => {} };

/**
 * Returns shares as locked files of a directory: the kernel releases those of a process that dies, and the next holder
 * flushes the sessions that the process left in the TPM.
 * @param flush removes sessions from the TPM.
 */
export function sharesIn(
  directory: string,
  holder: string,
  flush: (sessions: readonly Handle[]) => Promise<void>,
): SessionShares {
  const held: { readonly lock: Lock; readonly path: string }[] = [];
  let recorded = '';

  const takeOne = async (): Promise<boolean> => {
    for (const number of candidates(held.length === 0)) {
      const path = join(directory, `${number}.sessions`);
      const lock = await takeFree(`${path}.lock`, holder);
      if (!lock) continue;
      if (held.length === 0) recorded = '';
      held.push({ lock, path });
      await flush(await leftBehind(path));
      await rm(path, { force: true });
      return true;
    }
    return false;
  };

  return {
    async reserve(count) {
      await makePrivateDirectory(directory);
      while (held.length * sessionsInShare < count) if (!(await takeOne())) return false;
      return true;
    },
    async settle(count, lasting) {
      const [first] = held;
      if (!first) return;
      const text = lasting.join();
      if (text !== recorded) {
        const content = JSON.stringify({ boot: await bootId(), sessions: lasting });
        await writeFile(first.path, content, { mode: 0o600 });
      }
      recorded = text;
      while (held.length * sessionsInShare >= count + sessionsInShare) {
        const last = held.pop();
        await rm(last?.path ?? '', { force: true });
        await last?.lock.release();
      }
    },
  };
}

/**
 * Returns the numbers of the shares to try: those for machines that have none yet come last. The order is random otherwise, so
 * that several machines rarely try the same one.
 */
function candidates(isFirst: boolean): number[] {
  const common = shares - firstShares;
  return Array.from({ length: isFirst ? shares : common }, (_, number) => ({
    number,
    order: Math.random() + Number(number >= common),
  }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ number }) => number);
}

async function takeFree(path: string, holder: string): Promise<Lock | undefined> {
  try {
    return await takeLock(path, holder);
  } catch (error) {
    if (isFailure(error, 'lock.held')) return undefined;
    throw error;
  }
}

/** Returns the sessions that a dead process left since this host booted: a restart removes them from the TPM. */
async function leftBehind(path: string): Promise<readonly Handle[]> {
  try {
    const { data } = record.safeParse(JSON.parse((await readBounded(path, 4096)).toString('utf8')));
    return data?.boot === (await bootId()) ? data.sessions.filter(isSession) : [];
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || error instanceof SyntaxError) return [];
    throw error;
  }
}

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim();
}
