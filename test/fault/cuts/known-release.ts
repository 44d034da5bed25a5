import { join } from 'node:path';
import { silent } from '../../../src/base/progress.ts';
import { importRelease, type StoredRelease, withReleaseStore } from '../../../src/release/store.ts';
import { builtRelease, builtSuccessor, builtVariant, home } from '../../support/vm/machine.ts';
import { ballast } from './ballast.ts';

/** A release to update to. */
export interface KnownRelease extends StoredRelease {
  readonly name: string;
  /** Directory of the built release. */
  readonly directory: string;
}

/** Returns three releases, the oldest first, each with its base image in a store that no machine uses. */
export async function knownReleases(): Promise<KnownRelease[]> {
  const directories = {
    first: await builtRelease(),
    second: await builtSuccessor(),
    third: await builtVariant('third', { [ballast.path]: ballast.content() }),
  };
  const store = { ...home, releases: join(home.cache, 'known-releases') };
  const signal = new AbortController().signal;
  return withReleaseStore(store, 'faults', async () => {
    const known: KnownRelease[] = [];
    for (const [name, directory] of Object.entries(directories))
      known.push({ ...{ name, directory }, ...(await importRelease(directory, store, silent, signal)) });
    return known;
  });
}
