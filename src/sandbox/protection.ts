import { readFile } from 'node:fs/promises';

/** What confines a process. */
export const protections = ['user', 'capabilities', 'no_new_privs', 'namespaces'] as const;
export type Protection = (typeof protections)[number];

/**
 * Returns the protections that a process lacks, from its file `status`: proc_pid_status(5). Pure.
 * - `user`: it runs as root
 * - `capabilities`: it has some, or can get some
 * - `no_new_privs`: it could gain privileges from set-user-ID programs
 * - `namespaces`: it sees the files and processes of the host
 * @param own the same file of a process that is not confined.
 */
export function missingProtections(status: string, own: string): readonly Protection[] {
  const has: Readonly<Record<Protection, boolean>> = {
    user: !words(status, 'Uid').includes('0'),
    capabilities:
      isZero(status, 'CapPrm') &&
      isZero(status, 'CapEff') &&
      (isZero(status, 'CapBnd') || words(status, 'NoNewPrivs')[0] === '1'),
    no_new_privs: words(status, 'NoNewPrivs')[0] === '1',
    // one number for each level of PID namespaces
    namespaces: words(status, 'NSpid').length > words(own, 'NSpid').length,
  };
  return protections.filter((each) => !has[each]);
}

/** Returns the protections that a running process lacks. */
export async function readMissingProtections(pid: number): Promise<readonly Protection[]> {
  const files = [pid, process.pid].map((each) => readFile(`/proc/${each}/status`, 'utf8'));
  const [status = '', own = ''] = await Promise.all(files);
  return missingProtections(status, own);
}

function words(status: string, field: string): readonly string[] {
  const line = status.split('\n').find((each) => each.startsWith(`${field}:`)) ?? '';
  return line
    .split(/\s+/)
    .slice(1)
    .filter((word) => word !== '');
}

function isZero(status: string, field: string): boolean {
  return /^0+$/.test(words(status, field)[0] ?? '');
}
