import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { syncDirectory } from '../../base/files.ts';
import { run } from '../../base/process.ts';
import { syncFile } from '../../disk/scratch.ts';
import { type Publication, type PublishRequest, publishRelease } from './publish.ts';

/**
 * Writes a release to one file, for machines without a network: a tar archive of a repository with
 * this release only.
 * @param path file to create, atomically.
 * @throws HoldfastError those of `publishRelease`.
 */
export async function bundleRelease(
  request: Omit<PublishRequest, 'repository'>,
  path: string,
): Promise<Publication> {
  const directory = dirname(resolve(path));
  const scratch = await mkdtemp(join(directory, '.bundle-'));
  try {
    const repository = join(scratch, 'repository');
    const publication = await publishRelease({ ...request, repository });
    const names = (await readdir(repository)).filter((name) => !name.startsWith('.')).sort();
    const archive = join(scratch, basename(path));
    const owner = [
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      '--format=ustar',
      '--sort=name',
      '--mtime=@0',
    ];
    await run('tar', ['--create', ...owner, '--file', archive, '--directory', repository, ...names], {
      signal: request.signal,
    });
    await syncFile(archive);
    await rename(archive, path);
    await syncDirectory(directory);
    return publication;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
