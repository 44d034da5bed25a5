import { describe, failure, type HoldfastError } from '../../base/errors.ts';

/** The errors of a source, the same for all kinds. */
export const sourceErrors = {
  tooLarge: (source: string, path: string, maximum: number): HoldfastError =>
    failure('repository.too-large', `${path} of ${source} exceeds its size limit`, {
      why: `it has more than ${maximum} bytes`,
      next: 'report this to the operator of the repository; the connection may be intercepted',
    }),
  slow: (source: string, path: string, why: string): HoldfastError =>
    failure('repository.slow', `${source} is too slow`, {
      why: `${path}: ${why}`,
      next: 'retry later; the command resumes with the data received so far',
    }),
  unreachable: (source: string, path: string, error: unknown): HoldfastError =>
    failure('repository.unreachable', `cannot reach ${source}`, {
      why: `${path}: ${describe(error)}`,
      next: 'check the address and the network, then retry; the command resumes with the data received so far',
      cause: error,
    }),
  status: (source: string, path: string, status: number): HoldfastError =>
    failure('repository.http', `cannot fetch ${path} from ${source}`, {
      why: `the server returned HTTP status ${status}`,
      next: 'check the address, or report this to the operator of the repository',
    }),
  denied: (source: string, path: string, status: number): HoldfastError =>
    failure('repository.denied', `${source} denies access`, {
      why: `${path}: the server returned HTTP status ${status}`,
      next: 'check the address, and user and password in it: https://USER:PASSWORD@HOST/',
    }),
  proxy: (source: string, path: string): HoldfastError =>
    failure('repository.proxy', `a proxy on the way to ${source} demands user and password`, {
      why: `${path}: HTTP status 407`,
      next: 'connect without the proxy, or use a bundle',
    }),
  page: (source: string, path: string): HoldfastError =>
    failure('repository.page', `${source} answers with a web page instead of ${path}`, {
      why: 'the address is wrong, the network has a login page, or the server sends a page for missing files',
      next: 'open the address in a browser; a repository must answer with status 404 for a missing file',
    }),
  missing: (source: string, path: string): HoldfastError =>
    failure('repository.missing', `${source} lacks ${path}`, {
      why: 'its signed metadata lists the file, but it does not exist',
      next: 'report this to the publisher of the repository; a copy of it may be incomplete',
    }),
  tampered: (source: string, path: string): HoldfastError =>
    failure('repository.tampered', `${source} sent data that differs from what was signed`, {
      why: `${path} does not match its signed digest or length`,
      next: 'report this to the publisher; do not use the repository until it is fixed',
    }),
  noRepository: (source: string, path: string): HoldfastError =>
    failure('repository.absent', `there is no repository at ${source}`, {
      why: `${path} does not exist`,
      next: 'check the address: it is that of the directory that has metadata/ in it',
    }),
  noRanges: (source: string): HoldfastError =>
    failure('repository.no-ranges', `${source} serves whole files only`, {
      why: 'it does not support HTTP range requests',
      next: 'enable range requests on the web server for much smaller updates',
    }),
} as const;
