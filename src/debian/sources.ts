import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { failure } from '../base/errors.ts';
import { run } from '../base/process.ts';
import type { PackageSources } from '../distribution/distribution.ts';
import { archiveKeyring } from './keyring.ts';
import { hostMirrors } from './mirror.ts';
import { suite } from './recipe.ts';

/**
 * Finds the suites and their state.
 * @param mirror URL of an archive. When it ends in `/debian`, the security archive is `/debian-security` next to it.
 * @param scratch an empty directory for what is fetched.
 */
export async function findSources(mirror: string | undefined, scratch: string): Promise<PackageSources> {
  const mirrors = mirror === undefined ? await hostMirrors() : givenMirrors(mirror);
  if (mirrors === undefined) return { lines: [], state: undefined };
  const suites = [
    { uri: mirrors.archive, name: suite },
    { uri: mirrors.archive, name: `${suite}-updates` },
    ...(mirrors.security === undefined ? [] : [{ uri: mirrors.security, name: `${suite}-security` }]),
  ];
  const lines = suites.map(({ uri, name }) => `deb [signed-by=${archiveKeyring}] ${uri} ${name} main`);
  return { lines, state: await archiveState(suites, scratch) };
}

function givenMirrors(mirror: string) {
  const archive = mirror.replace(/\/+$/, '');
  return { archive, security: archive.endsWith('/debian') ? `${archive}-security` : undefined };
}

/**
 * Returns the current state of the archives by their InRelease files. It only decides whether a build is needed: apt checks
 * what is built. apt's own downloader follows the host's proxy settings.
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
    return undefined; // no network, or no such mirror: the build itself reports it
  }
}

/** Returns the `Date` field of a Release file, in seconds since 1970. */
export function suiteDate(text: string): number {
  const match = /^Date: (.+)$/m.exec(text);
  const seconds = Math.floor(Date.parse(match?.[1] ?? '') / 1000);
  if (Number.isNaN(seconds)) {
    throw failure('release.mirror', 'cannot read the Release file of the mirror', {
      why: 'its Date field is missing',
      next: 'check the URL given with --mirror',
    });
  }
  return seconds;
}
