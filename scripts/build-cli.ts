import { rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type InputOptions, type OutputOptions, rolldown } from 'rolldown';
import { projectDirectory } from '../src/base/project.ts';

/*
 * Bundles the command line and the supervisor into dist/: docs/decisions/0023-bundle-the-command-line.md. `bin/holdfast` uses them
 * until a source is newer.
 */

const output = join(projectDirectory, 'dist');
const draft = `${output}.new`;

const shared: InputOptions = {
  cwd: projectDirectory,
  platform: 'node',
  // optional native code of ssh2, which is not built: scripts of packages are disabled
  external: [/\.node$/, 'cpu-features'],
  checks: { ineffectiveDynamicImport: false },
};

/**
 * Each group is one file: a module with all that it imports, as far as an earlier group does not have it. Fewer files start
 * faster; a group with too much makes every command wait for code that it does not need.
 */
const groups = [
  { name: 'help', test: /src\/cli\/program\.ts$/ },
  { name: 'command', test: /src\/cli\/(?:run-command-line|framework\/(?:report|command))\.ts$/ },
  { name: 'guest', test: /src\/cli\/terminal\/attach\.ts$|src\/supervisor\/guest\.ts$/ },
  { name: 'status', test: /src\/lifecycle\/status\.ts$/ },
].map((group, index, { length }) => ({ ...group, priority: length - index }));

async function bundle(entry: string, options: OutputOptions): Promise<void> {
  const build = await rolldown({ ...shared, input: { [entry]: `src/${entry}.ts` } });
  await build.write({ dir: draft, format: 'esm', entryFileNames: '[name].js', ...options });
  await build.close();
}

const startedAt = new Date();
await rm(draft, { recursive: true, force: true });
await bundle('cli/main', { chunkFileNames: 'chunks/[name]-[hash].js', codeSplitting: { groups } });
// a single file: a supervisor lives longer than a bundle
await bundle('supervisor/main', { codeSplitting: false });
// as old as the sources that were read: one that changes meanwhile makes the bundle stale
await utimes(join(draft, 'cli/main.js'), startedAt, startedAt);
await rm(output, { recursive: true, force: true });
await rename(draft, output);
