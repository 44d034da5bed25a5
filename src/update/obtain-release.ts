import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { exists } from '../base/files.ts';
import { completeRelease, importRelease, type StoredRelease } from '../release/store.ts';
import { type Fetched, fetchRelease, withFetching } from '../repository/client/fetch-release.ts';
import { hostTrust } from '../repository/client/host-trust.ts';
import { readOffer } from '../repository/client/offer.ts';
import { openOldReleases } from '../repository/client/seeds.ts';
import { openSource } from '../repository/source/open.ts';
import type { UpdateContext } from './context.ts';

/** How a release was fetched; undefined when `from` is its directory. */
export type Fetch = Pick<Fetched, 'strategy' | 'received' | 'detours'> | undefined;

/**
 * Calls `work` with a function that brings a release into the store: the one in the directory `from`, or the newest of the
 * repository `from`, which is fetched first unless the store has it. The fetched files are removed when `work` succeeds.
 * @throws HoldfastError those of `openSource`, `readOffer` and `fetchRelease`, and what `work` throws.
 */
export async function withRelease<T>(
  { machine: { home }, progress, signal }: UpdateContext,
  from: string,
  work: (obtain: () => Promise<StoredRelease>, fetch: Fetch) => Promise<T>,
): Promise<T> {
  const importFrom = (directory: string) => () => importRelease(directory, home, progress, signal);
  if (await exists(join(from, 'release.json'))) return work(importFrom(from), undefined);
  const source = await openSource(from);
  try {
    const trust = await hostTrust(home);
    const offer = await progress.step('Asking the repository', () => readOffer(source, trust, signal));
    const directory = join(home.cache, 'fetched');
    return await withFetching(directory, async () => {
      const stored = await completeRelease(home, offer.digest);
      if (stored) return work(async () => stored, { strategy: 'present', received: 0, detours: [] });
      const fetched = await fetchRelease({
        ...{ source, offer, trust, directory, progress, signal },
        old: (scratch) => openOldReleases(home, scratch),
      });
      const { strategy, received, detours, release } = fetched;
      const result = await work(importFrom(release.directory), { strategy, received, detours });
      await rm(release.directory, { recursive: true });
      return result;
    });
  } finally {
    await source.close();
  }
}
