import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { releaseManifest } from '../manifest.ts';

/** A release's version: the distribution's, the day of its newest suite, and from the second build of that day on a number. */
export interface ReleaseVersion {
  readonly text: string;
  /** Absent for the first build of a day. */
  readonly build?: number;
}

/**
 * Returns the version of the next build: `13.2.20261122`, then `13.2.20261122.1`. Two builds of a day differ, or a slot could not
 * be told from the other, and the later one is newer.
 * @param base the distribution's version, such as `13.2`.
 * @param epoch seconds since 1970.
 * @param earlier the versions of earlier builds, in any order.
 */
export function nextVersion(base: string, epoch: number, earlier: readonly string[]): ReleaseVersion {
  const day = `${base}.${new Date(epoch * 1000).toISOString().slice(0, 10).replaceAll('-', '')}`;
  const numbers = earlier.flatMap((version) => {
    const suffix = version === day ? '0' : version.startsWith(`${day}.`) ? version.slice(day.length + 1) : '';
    return /^\d+$/.test(suffix) ? [Number(suffix)] : [];
  });
  return numbers.length === 0 ? { text: day } : numbered(day, Math.max(...numbers) + 1);
}

/** Returns the version of a build from a package lock, which has the number of the build that it repeats. */
export function lockedVersion(base: string, epoch: number, build: number | undefined): ReleaseVersion {
  const { text } = nextVersion(base, epoch, []);
  return build === undefined ? { text } : numbered(text, build);
}

function numbered(day: string, build: number): ReleaseVersion {
  return { text: `${day}.${build}`, build };
}

/** Returns the version of the release in a directory, as far as there is one. */
export async function versionIn(directory: string): Promise<readonly string[]> {
  try {
    const text = await readFile(join(directory, 'release.json'), 'utf8');
    return [releaseManifest.parse(JSON.parse(text)).version];
  } catch {
    return []; // none, or one of an older version of Holdfast, which the build replaces
  }
}
