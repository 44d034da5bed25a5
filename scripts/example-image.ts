import { cp, mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, makePrivateDirectory } from '../src/base/files.ts';
import { run } from '../src/base/process.ts';
import { debian } from '../src/debian/debian.ts';
import type { Home } from '../src/machine/paths.ts';

/**
 * Creates a minimal container image for `podman import`: Debian's static busybox as `/bin/sh`. The package is unpacked, not
 * installed, because it would replace the host's own busybox. The image is cached.
 * @returns the path of the tar archive.
 * @throws HoldfastError those of `fetchPackage`.
 */
export async function exampleImage(home: Home): Promise<string> {
  const image = join(home.cache, 'example-image.tar');
  if (await exists(image)) return image;
  const unpacked = join(home.tools, 'busybox-static');
  await debian.host.fetchPackage({ name: 'busybox-static', suite: 'stable' }, unpacked);
  await makePrivateDirectory(home.cache);
  const scratch = await mkdtemp(join(home.cache, 'example-image-'));
  try {
    await mkdir(join(scratch, 'root/bin'), { recursive: true });
    await cp(join(unpacked, 'usr/bin/busybox'), join(scratch, 'root/bin/busybox'));
    await symlink('busybox', join(scratch, 'root/bin/sh'));
    const reproducible = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
    const archive = join(scratch, 'image.tar');
    await run('tar', [
      '--create',
      ...reproducible,
      '--file',
      archive,
      '--directory',
      join(scratch, 'root'),
      '.',
    ]);
    await rename(archive, image);
    return image;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
