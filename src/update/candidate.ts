import { join } from 'node:path';
import { exists } from '../base/files.ts';
import type { ReleaseManifest, Sha256 } from '../release/manifest.ts';
import { readSmallFile, type SmallContent, type SmallFile } from '../release/small-files.ts';
import { storedDigests, trustedCertificate } from '../release/store.ts';
import { readRelease } from '../release/verify.ts';
import { hostTrust } from '../repository/client/host-trust.ts';
import { offeredPart, readOffer } from '../repository/client/offer.ts';
import { type LikelyFetch, likelyFetch } from '../repository/client/strategies.ts';
import { openSource } from '../repository/source/open.ts';
import type { UpdateContext } from './context.ts';

/** A release that could be installed: its manifest is verified, its large files are not fetched. */
export interface Candidate {
  readonly digest: Sha256;
  readonly manifest: ReleaseManifest;
  /** How it would be fetched; undefined for a directory. */
  readonly fetch: LikelyFetch | undefined;
  /** Reads one of its small files. @throws HoldfastError when that is damaged. */
  part<Part extends SmallFile>(part: Part): Promise<SmallContent<Part>>;
}

/**
 * Examines the release in the directory `from`, or the newest of the repository `from`. Of a repository, only metadata and small
 * files are fetched.
 * @throws HoldfastError those of `readRelease`, `openSource` and `readOffer`, and what `work` throws.
 */
export async function withCandidate<T>(
  { machine: { home }, progress, signal }: UpdateContext,
  from: string,
  work: (candidate: Candidate) => Promise<T>,
): Promise<T> {
  if (await exists(join(from, 'release.json'))) {
    const { directory, digest, manifest } = await readRelease(from, trustedCertificate(home));
    return work({
      digest,
      manifest,
      fetch: undefined,
      part: (part) => readSmallFile(directory, manifest, part),
    });
  }
  const source = await openSource(from);
  try {
    const trust = await hostTrust(home);
    const offer = await progress.step('Asking the repository', () => readOffer(source, trust, signal));
    const { digest, manifest } = offer;
    const fetch = likelyFetch(offer, await storedDigests(home));
    return await work({ digest, manifest, fetch, part: (part) => offeredPart(offer, part) });
  } finally {
    await source.close();
  }
}
