import type { ErrorCode } from '../../base/error-codes.ts';
import { describe, failure, HoldfastError } from '../../base/errors.ts';

/** A reason to reject a repository, and the remedy. */
interface Rejection {
  readonly code: ErrorCode;
  /**
   * Matches the message of tuf-js 5, which wraps errors of snapshot and targets as text, so that
   * their classes are lost.
   */
  readonly pattern: RegExp;
  readonly what: (source: string) => string;
  readonly next: string;
}

const publisher = 'report this to the publisher; do not use the repository until it is fixed';

/** The first match is reported. */
const rejections: readonly Rejection[] = [
  {
    code: 'repository.expired',
    pattern: /is expired/,
    what: (source) => `the metadata of ${source} has expired`,
    next: "check this host's clock; if it is right, the publisher must run `holdfast release publish` again",
  },
  {
    code: 'repository.signature',
    pattern: /was signed by|failed to verify|no signature for key|no public key found/,
    what: (source) => `${source} is not signed by a publisher that this host trusts`,
    next: `${publisher}; if the publisher created new keys, put its root.json in keys/repository of HOLDFAST_HOME and remove the directory repository there`,
  },
  {
    code: 'repository.rollback',
    pattern: /is less than current version|Missing file .* in new snapshot/,
    what: (source) => `${source} offers older metadata than before`,
    next: `retry later, as a cache on the way may be stale; if the error remains, ${publisher}`,
  },
  {
    code: 'repository.mixed',
    pattern:
      /does not match snapshot version|Snapshot version doesn't match|Expected version|Missing .* in snapshot|[Ee]xpected '\w+', got (?:root|targets|snapshot|timestamp)$/m,
    what: (source) => `${source} mixes metadata of different publications`,
    next: 'retry in a minute, as a publication may be in progress; if the error remains, report it to the publisher',
  },
  {
    code: 'repository.tampered',
    pattern: /Expected hash|Expected length/,
    what: (source) => `${source} sent data that differs from what was signed`,
    next: publisher,
  },
];

/** Converts an error of tuf-js to the error with which a repository is rejected. */
export function repositoryError(source: string, error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const why = describe(error);
  const found = rejections.find(({ pattern }) => pattern.test(why));
  if (found) return failure(found.code, found.what(source), { why, next: found.next, cause: error });
  return failure('repository.malformed', `cannot read the metadata of ${source}`, {
    why,
    next: publisher,
    cause: error,
  });
}
