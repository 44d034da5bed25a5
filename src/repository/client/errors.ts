import type { ErrorCode } from '../../base/error-codes.ts';
import { describe, failure, HoldfastError } from '../../base/errors.ts';

/** What a repository can be refused for, and what helps. */
interface Refusal {
  readonly code: ErrorCode;
  /** What tuf-js 5 says; it wraps errors of snapshot and targets in text, so their classes do not tell. */
  readonly says: RegExp;
  readonly what: (source: string) => string;
  readonly next: string;
}

const publisher = 'tell whoever publishes the repository; do not use it until it is mended';

/** The first that fits is told. */
const refusals: readonly Refusal[] = [
  {
    code: 'repository.expired',
    says: /is expired/,
    what: (source) => `the signatures of ${source} have expired`,
    next: "check this host's clock; then have the repository published again: `holdfast release publish`",
  },
  {
    code: 'repository.signature',
    says: /was signed by|failed to verify|no signature for key|no public key found/,
    what: (source) => `${source} is not signed by a publisher that this host trusts`,
    next: `${publisher}; if its keys were made anew, put its root.json in keys/repository of HOLDFAST_HOME, and remove the directory repository there`,
  },
  {
    code: 'repository.rollback',
    says: /is less than current version|Missing file .* in new snapshot/,
    what: (source) => `${source} offers something older than it did before`,
    next: publisher,
  },
  {
    code: 'repository.mixed',
    says: /does not match snapshot version|Snapshot version doesn't match|Expected version|Missing .* in snapshot|[Ee]xpected '.*', got/,
    what: (source) => `${source} mixes metadata of different publications`,
    next: 'try again in a minute, as it may be under way; if it stays so, tell whoever publishes it',
  },
  {
    code: 'repository.tampered',
    says: /Expected hash|Expected length/,
    what: (source) => `${source} sent something else than was signed`,
    next: publisher,
  },
];

/** Tells why tuf-js refused a repository. */
export function refusalOf(source: string, error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const why = describe(error);
  const refusal = refusals.find(({ says }) => says.test(why));
  if (refusal) return failure(refusal.code, refusal.what(source), { why, next: refusal.next, cause: error });
  return failure('repository.malformed', `the metadata of ${source} cannot be read`, {
    why,
    next: publisher,
    cause: error,
  });
}
