import { chmod, cp, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory } from '../../base/files.ts';
import { run } from '../../base/process.ts';
import { guestDistribution } from '../distribution.ts';
import { privatePaths, user } from './recipe.ts';

/** Directories that the root must have: it is read-only, so they cannot be made later. */
const mountPoints = ['boot', 'dev', 'home', 'logs', 'mnt', 'opt', 'root', 'srv', 'var'];

/**
 * Turns installed packages into the root of a machine: adds the user and our configuration, removes what it does not need.
 * @param image the project's `image/` directory.
 * @returns the kernel's version.
 */
export async function finishRootTree(root: string, image: string, sourceDateEpoch: number): Promise<string> {
  const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', SOURCE_DATE_EPOCH: String(sourceDateEpoch) };
  // '*' matches no password but does not lock the account: sshd accepts keys
  const account = ['--create-home', '--home-dir', user.home, '--uid', String(user.id), '--shell', user.shell];
  await run(
    'chroot',
    [root, 'useradd', ...account, '--groups', user.groups.join(','), '--password', '*', user.name],
    { env: environment },
  );

  const modules = join(root, 'usr/lib/modules');
  const [kernel = ''] = await readdir(modules);
  await guestDistribution.prepareModules(join(modules, kernel));
  await run('chroot', [root, 'depmod', kernel], { env: environment });

  await guestDistribution.strip(root);
  for (const path of mountPoints) await makeDirectory(join(root, path));
  await cp(join(image, 'rootfs'), root, { recursive: true, verbatimSymlinks: true, force: true });
  for (const [path, mode] of Object.entries(privatePaths)) await chmod(join(root, path), mode);
  return kernel;
}

/** The files that `takeBootParts` moves. */
export const bootParts = { kernel: 'linux', stub: 'stub.efi', loader: 'loader.efi' } as const;

/**
 * Moves the parts of the boot image out of the tree. Must run before `finishRootTree`, which removes them.
 * @returns their paths in the root.
 */
export async function takeBootParts(root: string, target: string): Promise<string[]> {
  await makeDirectory(target);
  const { kernel, stub, loader } = await guestDistribution.bootFiles(root);
  await rename(join(root, kernel), join(target, bootParts.kernel));
  await rename(join(root, stub), join(target, bootParts.stub));
  await rename(join(root, loader), join(target, bootParts.loader));
  return [kernel, stub, loader];
}
