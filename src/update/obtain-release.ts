import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { exists } from '../base/files.ts';
import { completeRelease, importRelease, type StoredRelease } from '../release/store.ts';
import { type Fetched, fetchRelease, withFetching } from '../repository/client/fetch-release.ts';
import { hostTrust } from '../repository/client/host-trust.ts';
import { readOffer } from '../repository/client/offer.ts';
import { openOldReleases } from '../repository/client/seeds.ts';
import { openSource } from '../repository/source/open.ts';
import type { Machine } from './observe.ts';

/** How a release came to this host: undefined when its directory was named. */
export type Fetch = Pick<Fetched, 'road' | 'received' | 'detours'> | undefined;

/**
 * Hands over a way to have a release in the store: that whose directory `from` names, else the newest of the repository that
 * `from` names, which is fetched first unless the store has it. What was fetched is removed when `work` succeeds.
 * @throws HoldfastError those of `openSource`, `readOffer` and `fetchRelease`, and what `work` throws.
 */
export async function withRelease<T>(
  { layout, progress, signal }: Machine,
  from: string,
  work: (obtain: () => Promise<StoredRelease>, fetch: Fetch) => Promise<T>,
): Promise<T> {
  const importFrom = (directory: string) => () => importRelease(directory, layout, progress, signal);
  if (await exists(join(from, 'release.json'))) return work(importFrom(from), undefined);
  const source = await openSource(from);
  try {
    const trust = hostTrust(layout);
    const offer = await progress.step('Asking the repository', () => readOffer(source, trust, signal));
    const directory = join(layout.cache, 'fetched');
    return await withFetching(directory, async () => {
      const stored = await completeRelease(layout, offer.digest);
      if (stored) return work(async () => stored, { road: 'present', received: 0, detours: [] });
      const fetched = await fetchRelease({
        ...{ source, offer, trust, directory, progress, signal },
        old: (scratch) => openOldReleases(layout, scratch),
      });
      const { road, received, detours, release } = fetched;
      const result = await work(importFrom(release.directory), { road, received, detours });
      await rm(release.directory, { recursive: true });
      return result;
    });
  } finally {
    await source.close();
  }
}
