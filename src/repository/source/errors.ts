import { describe, failure, type HoldfastError } from '../../base/errors.ts';

/** What can be wrong with a source, whatever its kind: each is told apart. */
export const sourceFailures = {
  tooLarge: (source: string, path: string, maximum: number): HoldfastError =>
    failure('repository.too-large', `${path} of ${source} is longer than it may be`, {
      why: `more than ${maximum} bytes came`,
      next: 'tell whoever runs the repository; somebody may be in between',
    }),
  slow: (source: string, path: string, why: string): HoldfastError =>
    failure('repository.slow', `${source} is too slow`, {
      why: `${path}: ${why}`,
      next: 'try again later: what came is kept',
    }),
  unreachable: (source: string, path: string, error: unknown): HoldfastError =>
    failure('repository.unreachable', `${source} cannot be reached`, {
      why: `${path}: ${describe(error)}`,
      next: 'check the address and the network, then try again: what came is kept',
      cause: error,
    }),
  status: (source: string, path: string, status: number): HoldfastError =>
    failure('repository.http', `${source} does not serve ${path}`, {
      why: `it answered with HTTP status ${status}`,
      next: 'check the address, or tell whoever runs the repository',
    }),
  missing: (source: string, path: string): HoldfastError =>
    failure('repository.missing', `${source} lacks ${path}`, {
      why: 'its signed metadata names the file, but it is not there',
      next: 'tell whoever publishes the repository; a copy of it may be incomplete',
    }),
  noRanges: (source: string): HoldfastError =>
    failure('repository.no-ranges', `${source} serves whole files only`, {
      why: 'it does not answer HTTP range requests',
      next: 'let the web server answer them: updates are then much smaller',
    }),
} as const;
