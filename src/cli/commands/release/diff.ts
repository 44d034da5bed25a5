import { resolve } from 'node:path';
import { formatSize } from '../../../base/size.ts';
import { trustedCertificate } from '../../../release/store.ts';
import type { FileChange, PackageChange } from '../../../repository/compare.ts';
import { diffReleases } from '../../../repository/publisher/diff.ts';
import { defineCommand } from '../../framework/command.ts';
import { anyText, required } from '../../framework/parameters.ts';

export const releaseDiffCommand = defineCommand({
  arguments: {
    older: required('OLDER_DIR', 'Directory of the older release', anyText),
    newer: required('NEWER_DIR', 'Directory of the newer release', anyText),
  },
  flags: {},
  examples: [
    ['holdfast release diff ./old ./new', 'Show changed packages and files, and the size of an update'],
  ],
  output: async () => (await import('../../output/releases.ts')).releaseDiffOutput,
  async run({ arguments: { older, newer }, home, progress, signal, output }) {
    const certificate = trustedCertificate(home);
    const diff = await diffReleases([resolve(older), resolve(newer)], certificate, progress, signal);
    const text = [
      ...packageLines(diff.packages),
      '',
      ...diff.files.map(fileLine),
      '',
      `${diff.packages.length} packages and ${diff.files.length} files differ`,
      `${formatSize(diff.missing)} of blocks are new; a pack would take ${formatSize(diff.pack)}`,
    ];
    const files = diff.files.map(({ path, kind, from, to }) => ({ path, kind, oldSize: from, newSize: to }));
    output.result({ ...diff, files }, text.join('\n'));
  },
});

/** Returns a line for each package: `curl 8.14.1-1 → 8.14.1-2`. */
export function packageLines(changes: readonly PackageChange[]): string[] {
  return changes.map(({ name, from, to }) => {
    if (from === undefined) return `${name} ${to} (new)`;
    return to === undefined ? `${name} ${from} (removed)` : `${name} ${from} → ${to}`;
  });
}

const sign = { added: '+', removed: '-', changed: ' ' } as const;

function fileLine({ path, kind, from, to }: FileChange): string {
  const sizes = [from, to].flatMap((size) => (size === undefined ? [] : [formatSize(size)]));
  return `${sign[kind]} /${path} (${sizes.join(' → ')})`;
}
