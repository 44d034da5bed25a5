import type { Fetcher } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { isFailure } from '../../base/errors.ts';
import { KiB } from '../../base/size.ts';
import { sourceErrors } from '../source/errors.ts';
import type { RepositorySource } from '../source/source.ts';

/** Prefix of the addresses that tuf-js requests; the rest is a path in the source. */
export const addressBase = 'repository://source';

/**
 * Limit for metadata. Some of it is parsed before any signature is verified, in a time that grows
 * with the square of its entries: 500 kB of keys take a minute. Holdfast's own has 2 kB.
 */
export const metadataLimit = 64 * KiB;

/** Fetches metadata for tuf-js, with a limit that is enforced while data arrives. */
export class SourceFetcher implements Fetcher {
  readonly #source: RepositorySource;
  readonly #signal: AbortSignal;
  /** The error of the last request. Kept here because tuf-js passes some errors on as text only. */
  failed: unknown;

  constructor(source: RepositorySource, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
  }

  async downloadBytes(address: string, maximum: number): Promise<Buffer> {
    const path = decodeURI(address.slice(addressBase.length + 1));
    const isNextRoot = /\/\d+\.root\.json$/.test(path);
    try {
      const bytes = await this.#source.read(path, Math.min(maximum, metadataLimit), this.#signal);
      if (bytes) return bytes;
    } catch (error) {
      // some servers deny access to what they lack; if they deny everything, the next request shows it
      if (!isNextRoot || !isFailure(error, 'repository.denied')) {
        this.failed = error;
        throw error;
      }
    }
    // tuf-js takes this status as "there is no newer root"
    if (isNextRoot) throw new DownloadHTTPError('Failed to download', 404);
    const { name } = this.#source;
    // nothing that is signed has named it yet
    const isFirst = path.endsWith('/timestamp.json');
    this.failed = isFirst ? sourceErrors.noRepository(name, path) : sourceErrors.missing(name, path);
    throw this.failed;
  }

  downloadFile(): Promise<never> {
    return Promise.reject(new TypeError('targets are fetched by fetchTarget'));
  }
}
