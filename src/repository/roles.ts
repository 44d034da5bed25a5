/**
 * The four roles of a repository (TUF specification 1.0, section 2.1).
 * - `root` says which keys the others have. It signs when keys change, and may be kept offline.
 * - `targets` vouches for releases; `snapshot` and `timestamp` for what is the newest.
 */
export const roles = ['root', 'targets', 'snapshot', 'timestamp'] as const;
export type Role = (typeof roles)[number];

/** The roles that sign at each publication. */
export const publishingRoles = ['targets', 'snapshot', 'timestamp'] as const;

/**
 * Days that metadata is good for. A machine runs on when they are over, but takes no update until the repository is
 * published again: nobody can hold it at an old release for longer.
 */
export const validDays: Readonly<Record<Role, number>> = {
  root: 3650,
  targets: 365,
  snapshot: 90,
  timestamp: 90,
};

export const specificationVersion = '1.0.31';

/** TUF's form of a time: whole seconds, UTC. */
export function expiry(role: Role, now: Date): string {
  const end = new Date(now.getTime() + validDays[role] * 86_400_000);
  return end.toISOString().replace(/\.\d+Z$/, 'Z');
}
