import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { failure } from '../../base/errors.ts';
import { run } from '../../base/process.ts';
import { hostMirrors } from '../../debian/mirror.ts';
import { suite } from './recipe.ts';

/** Where packages come from: lines of sources.list(5), and what the archive holds at the moment. */
export interface Sources {
  /** Empty: mmdebstrap's own default. */
  readonly lines: readonly string[];
  /** Changes when a suite does; undefined when it cannot be asked. */
  readonly state: { readonly digest: string; readonly date: number } | undefined;
}

/** The same file on every Debian; packages and suites are checked against it by apt. */
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * @param mirror URL of an archive given by the user, with `/debian-security` beside it where it ends in `/debian`.
 * @param scratch an empty directory for what is fetched.
 */
export async function findSources(mirror: string | undefined, scratch: string): Promise<Sources> {
  const mirrors = mirror === undefined ? await hostMirrors() : givenMirrors(mirror);
  if (mirrors === undefined) return { lines: [], state: undefined };
  const suites = [
    { uri: mirrors.archive, name: suite },
    { uri: mirrors.archive, name: `${suite}-updates` },
    ...(mirrors.security === undefined ? [] : [{ uri: mirrors.security, name: `${suite}-security` }]),
  ];
  const lines = suites.map(({ uri, name }) => `deb [signed-by=${keyring}] ${uri} ${name} main`);
  return { lines, state: await archiveState(suites, scratch) };
}

function givenMirrors(mirror: string) {
  const archive = mirror.replace(/\/+$/, '');
  return { archive, security: archive.endsWith('/debian') ? `${archive}-security` : undefined };
}

/**
 * What the archive holds at the moment, by its InRelease files. Only decides whether anything has to be built at all;
 * what is built is checked by apt. apt's own downloader is used since it heeds the host's proxy settings.
 */
async function archiveState(
  suites: readonly { uri: string; name: string }[],
  scratch: string,
): Promise<{ digest: string; date: number } | undefined> {
  try {
    const files = await Promise.all(
      suites.map(async ({ uri, name }) => {
        const path = join(scratch, `${name}.InRelease`);
        const helper = ['download-file', `${uri}/dists/${name}/InRelease`, path];
        await run('/usr/lib/apt/apt-helper', helper, { timeoutMs: 60_000 });
        return readFile(path);
      }),
    );
    const digest = createHash('sha256');
    for (const file of files) digest.update(file);
    return {
      digest: digest.digest('hex'),
      date: Math.max(...files.map((file) => suiteDate(file.toString()))),
    };
  } catch {
    return undefined; // no network, or no such mirror: the build itself says so better
  }
}

/** The `Date` field of a Release file, in seconds since 1970. */
export function suiteDate(text: string): number {
  const match = /^Date: (.+)$/m.exec(text);
  const seconds = Math.floor(Date.parse(match?.[1] ?? '') / 1000);
  if (Number.isNaN(seconds)) {
    throw failure('release.mirror', 'the mirror answered with something that is no Release file', {
      why: 'its Date field is missing',
      next: 'check the URL given with --mirror',
    });
  }
  return seconds;
}
