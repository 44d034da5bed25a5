import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';

/** Whether this runs from the bundle in `dist/`, not from the sources: docs/decisions/0023-bundle-the-command-line.md. */
const isBundled = import.meta.filename.endsWith('.js');

/** The directory of Holdfast, with `bin/`, `image/` and `src/`. */
export const projectDirectory = dirname(findPackageJSON(import.meta.url) ?? import.meta.dirname);

/**
 * Returns the file that starts another process of Holdfast: from the bundle if this one runs from it.
 * @param entry below `src/`, without its ending: `supervisor/main`.
 */
export function entryPoint(entry: 'supervisor/main'): string {
  return isBundled
    ? join(projectDirectory, 'dist', `${entry}.js`)
    : join(projectDirectory, 'src', `${entry}.ts`);
}
