import { isSystemError } from '../base/errors.ts';
import { readBounded, writeFileAtomic } from '../base/files.ts';
import { oneLine } from '../base/visible.ts';
import { bounds } from '../channel/bounds.ts';

/** The last end of a machine that nobody asked for. */
export interface Crash {
  /** ISO 8601. */
  readonly time: string;
  /** Untrusted text of the guest, in one line. */
  readonly reason: string;
}

/** Records a crash: one line, which outlives the restart that follows it. */
export async function noteCrash(path: string, reason: string, now = new Date()): Promise<void> {
  await writeFileAtomic(path, `${now.toISOString()} ${oneLine(reason)}\n`, 0o600);
}

/** Returns the last crash that was recorded. */
export async function readCrash(path: string): Promise<Crash | undefined> {
  try {
    const text = (await readBounded(path, 4 * bounds.problem.count)).toString('utf8');
    const [, time, reason] = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) (.+)\n$/.exec(text) ?? [];
    return time === undefined || reason === undefined ? undefined : { time, reason: oneLine(reason) };
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
}
