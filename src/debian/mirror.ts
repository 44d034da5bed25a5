import { isFailure } from '../base/errors.ts';
import { run } from '../base/process.ts';
import type { Mirrors } from '../distribution/distribution.ts';

/** Fields of one line of `apt-get indextargets`, tab-separated. Origin and Label come from the signed Release file. */
const format = '$(ORIGIN)\t$(LABEL)\t$(REPO_URI)';

/** Returns the mirrors that the host's apt uses; undefined without apt, without package lists, or when none is Debian's. */
export async function hostMirrors(): Promise<Mirrors | undefined> {
  try {
    const { stdout } = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
    return parseIndexTargets(stdout.toString());
  } catch (error) {
    if (isFailure(error, 'process.missing')) return undefined;
    throw error;
  }
}

/** Picks Debian's mirrors from the output of `apt-get indextargets` in the format above. The first of each kind wins, as in apt. */
export function parseIndexTargets(text: string): Mirrors | undefined {
  const debian = text
    .split('\n')
    .map((line) => line.split('\t'))
    .filter(([origin, , uri]) => origin === 'Debian' && uri !== undefined && isReachable(uri));
  const labelled = (wanted: string) => debian.find(([, label]) => label === wanted)?.[2]?.replace(/\/+$/, '');
  const archive = labelled('Debian');
  return archive === undefined ? undefined : { archive, security: labelled('Debian-Security') };
}

/** Returns false for a disc: it has one release only, and must be inserted. */
function isReachable(uri: string): boolean {
  return URL.canParse(uri) && new URL(uri).protocol !== 'cdrom:';
}
