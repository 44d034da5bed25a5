import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const project = join(import.meta.dirname, '../..');

export interface Source {
  /** In the repository, such as `src/base/errors.ts`. */
  readonly path: string;
  readonly lines: readonly string[];
}

/** Reads the TypeScript files below directories of the repository. */
export function sourcesIn(...directories: readonly string[]): readonly Source[] {
  const patterns = directories.map((directory) => `${directory}/**/*.ts`);
  return globSync(patterns, { cwd: project })
    .sort()
    .map((path) => ({ path, lines: readFileSync(join(project, path), 'utf8').trimEnd().split('\n') }));
}
