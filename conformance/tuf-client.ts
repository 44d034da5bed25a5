import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describe } from '../src/base/errors.ts';
import { exists, readBounded, writeFileAtomic } from '../src/base/files.ts';
import { refreshMetadata } from '../src/repository/client/trusted-metadata.ts';
import { httpSource } from '../src/repository/source/http.ts';

/**
 * Implements the command line of theupdateframework/tuf-conformance with Holdfast's client:
 * `--metadata-dir D init ROOT`, `… --metadata-url U refresh`, `… --target-name P… --target-base-url U --target-dir D download`.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'metadata-dir': { type: 'string' },
    'metadata-url': { type: 'string' },
    'target-name': { type: 'string', multiple: true },
    'target-base-url': { type: 'string' },
    'target-dir': { type: 'string' },
  },
});

function given(name: Exclude<keyof typeof values, 'target-name'>): string {
  const value = values[name];
  if (value === undefined) throw new Error(`--${name} is missing`);
  return value;
}

/** Returns a source for the suite's separate addresses of metadata and targets: a source has both below one address. */
function sourceOf(metadata: string, targets: string | undefined) {
  const base = new URL(metadata);
  const relative = (address: string) => new URL(address).pathname.replace(/^\/|\/$/g, '');
  return {
    source: httpSource(base.origin),
    paths: { metadata: relative(metadata), targets: relative(targets ?? metadata) },
  };
}

async function act([action, root]: readonly string[]): Promise<void> {
  const directory = given('metadata-dir');
  if (action === 'init') {
    await mkdir(directory, { recursive: true });
    await writeFileAtomic(join(directory, 'root.json'), await readBounded(root ?? '', 1024 * 1024));
    return;
  }
  const { source, paths } = sourceOf(given('metadata-url'), values['target-base-url']);
  const { signal } = new AbortController();
  const metadata = await refreshMetadata(source, directory, join(directory, 'root.json'), signal, paths);
  if (action !== 'download') return;
  for (const name of values['target-name'] ?? []) {
    const file = join(given('target-dir'), encodeURIComponent(name));
    const known = (await exists(file)) ? await readFile(file) : undefined;
    const bytes = await metadata.target(name, known);
    if (bytes !== known) await writeFileAtomic(file, bytes);
  }
}

try {
  await act(positionals);
} catch (error) {
  console.error(describe(error));
  process.exitCode = 1;
}
