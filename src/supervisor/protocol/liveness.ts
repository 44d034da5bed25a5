import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { failure, type HoldfastError, isFailure } from '../../base/errors.ts';

/** How long a supervisor may take to answer the question about its state, which it never delays: milliseconds. */
const answerLimit = 10_000;

/**
 * Waits for `work` as long as the supervisor answers.
 * @param probe asks for its state; undefined: `work` is that question.
 * @throws HoldfastError `supervisor.hangs`, and what `work` throws.
 */
export async function unlessHung<T>(
  socketPath: string,
  work: Promise<T>,
  probe: (() => Promise<unknown>) | undefined,
): Promise<T> {
  const done = new AbortController();
  const hung = async (): Promise<never> => {
    for (;;) {
      await sleep(answerLimit, undefined, { signal: done.signal });
      if (!probe) throw await hangs(socketPath);
      await probe().catch((error: unknown) => {
        if (isFailure(error, 'supervisor.hangs')) throw error; // others end `work` as well
      });
    }
  };
  try {
    return await Promise.race([work, hung()]);
  } finally {
    done.abort();
  }
}

/** Returns the process of the supervisor, as the lock next to the directory of its socket names it. */
export async function lockedBy(socketPath: string): Promise<number | undefined> {
  const lock = await readFile(join(dirname(socketPath), '../supervisor.lock'), 'utf8').catch(() => '');
  const pid = /\(process (\d{1,10})\)/.exec(lock)?.[1];
  return pid === undefined ? undefined : Number(pid);
}

async function hangs(socketPath: string): Promise<HoldfastError> {
  const pid = (await lockedBy(socketPath)) ?? 'PID';
  return failure('supervisor.hangs', 'the supervisor of the machine does not answer', {
    why: `process ${pid} gave no answer for ${answerLimit / 1000} s: it is stopped or hangs; the machine may still run`,
    next: `\`kill -CONT ${pid}\` continues a stopped one; \`kill -KILL ${pid}\` ends it alone, and the next command starts another; \`holdfast stop --force\` ends both`,
  });
}
