/**
 * The four roles of a repository (TUF specification 1.0, section 2.1).
 * - `root` delegates to the keys of the other roles. It signs only when keys change and can be stored
 *   offline.
 * - `targets` signs releases; `snapshot` and `timestamp` sign which metadata is the newest.
 */
export const roles = ['root', 'targets', 'snapshot', 'timestamp'] as const;
export type Role = (typeof roles)[number];

/** The roles that sign at each publication. */
export const publishingRoles = ['targets', 'snapshot', 'timestamp'] as const;

/**
 * Validity of metadata in days. After expiry, machines keep running but accept no update until the
 * repository is published again. This limits how long an attacker can withhold newer releases
 * unnoticed.
 */
export const validDays: Readonly<Record<Role, number>> = {
  root: 3650,
  targets: 365,
  snapshot: 90,
  timestamp: 90,
};

export const specificationVersion = '1.0.31';

/** Returns the expiry of new metadata in TUF's format: whole seconds, UTC. */
export function expiry(role: Role, now: Date): string {
  const end = new Date(now.getTime() + validDays[role] * 86_400_000);
  return end.toISOString().replace(/\.\d+Z$/, 'Z');
}
