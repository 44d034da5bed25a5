import { isFailure } from '../base/errors.ts';
import { run } from '../base/process.ts';

/** Where the host's own apt gets Debian from. */
export interface Mirrors {
  /** The main archive, without a slash at its end. */
  readonly archive: string;
  /** The security archive; undefined when the host uses none. */
  readonly security: string | undefined;
}

/** Fields of one line of `apt-get indextargets`, tab-separated. Origin and Label come from the signed Release file. */
const format = '$(ORIGIN)\t$(LABEL)\t$(REPO_URI)';

/** Asks the host's apt which mirrors it uses; undefined when it has no apt, no package lists, or none of Debian's. */
export async function hostMirrors(): Promise<Mirrors | undefined> {
  try {
    const { stdout } = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
    return parseIndexTargets(stdout.toString());
  } catch (error) {
    if (isFailure(error, 'process.missing')) return undefined;
    throw error;
  }
}

/** Picks Debian's mirrors from `apt-get indextargets` in the format above; the first of each kind wins, as in apt. */
export function parseIndexTargets(text: string): Mirrors | undefined {
  const debian = text
    .split('\n')
    .map((line) => line.split('\t'))
    .filter(([origin, , uri]) => origin === 'Debian' && uri !== undefined && isReachable(uri));
  const labelled = (wanted: string) => debian.find(([, label]) => label === wanted)?.[2]?.replace(/\/+$/, '');
  const archive = labelled('Debian');
  return archive === undefined ? undefined : { archive, security: labelled('Debian-Security') };
}

/** A disc has only one release, and needs somebody to insert it. */
function isReachable(uri: string): boolean {
  return URL.canParse(uri) && new URL(uri).protocol !== 'cdrom:';
}
