import { chmod, cp, mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError } from '../../base/errors.ts';
import { run } from '../../base/process.ts';
import type { ProgressStep } from '../../base/progress.ts';
import {
  checkAgainstLock,
  type DebianPackage,
  type PackageLock,
  parsePackages,
  pinPreferences,
  queryFormat,
} from './packages.ts';
import {
  excludedPaths,
  packages,
  privatePaths,
  removedModules,
  removedPaths,
  suite,
  takenOut,
  user,
} from './recipe.ts';

/** Directories that the root must have: it is read-only, so nobody can make them later. */
const mountPoints = ['boot', 'dev', 'home', 'logs', 'mnt', 'opt', 'root', 'srv', 'var'];

export interface RootTreeRequest {
  /** An existing directory; the tree is made in `root` inside. */
  readonly scratch: string;
  readonly sources: readonly string[];
  /** Versions to take; undefined: the newest. */
  readonly lock: PackageLock | undefined;
  readonly sourceDateEpoch: number;
  readonly signal: AbortSignal;
}

/** Installs the recipe's packages into `scratch/root` with mmdebstrap. Needs root. */
export async function installPackages(
  request: RootTreeRequest,
  step: ProgressStep,
): Promise<DebianPackage[]> {
  const root = join(request.scratch, 'root');
  const options = [
    ...['--mode=root', '--variant=essential', '--format=directory', `--include=${packages.join(',')}`],
    '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=Acquire::Retries "3"',
    ...excludedPaths.map((path) => `--dpkgopt=path-exclude=${path}`),
  ];
  if (request.lock) {
    const preferences = join(request.scratch, 'lock.pref');
    await writeFile(preferences, pinPreferences(request.lock));
    options.push(`--setup-hook=upload ${preferences} /etc/apt/preferences.d/lock.pref`);
  }
  // apt tells in one line each what it fetches and unpacks; the last word of the step is enough
  await run('mmdebstrap', [...options, suite, root, ...request.sources], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(request.sourceDateEpoch) },
    signal: request.signal,
    onErrorLine: (line) => {
      if (line.startsWith('I: ')) step.note(line.slice(3));
    },
  });
  const query = await run('dpkg-query', [
    `--admindir=${root}/var/lib/dpkg`,
    '--show',
    `--showformat=${queryFormat}`,
  ]);
  const installed = parsePackages(query.stdout.toString(), new Set(takenOut));
  if (request.lock) checkAgainstLock(installed, request.lock);
  return installed;
}

/**
 * Turns installed packages into the root of a machine: the recipe's user, our configuration, nothing that is not needed.
 * @param image the project's `image/` directory.
 * @returns the kernel's version.
 */
export async function finishRootTree(root: string, image: string, sourceDateEpoch: number): Promise<string> {
  const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', SOURCE_DATE_EPOCH: String(sourceDateEpoch) };
  // '*' is no password that could ever match, yet no lock either: sshd lets keys in
  const account = ['--create-home', '--home-dir', user.home, '--uid', String(user.id), '--shell', user.shell];
  await run(
    'chroot',
    [root, 'useradd', ...account, '--groups', user.groups.join(','), '--password', '*', user.name],
    { env: environment },
  );

  const modules = join(root, 'usr/lib/modules');
  const [kernel = ''] = await readdir(modules);
  for (const path of removedModules) {
    await rm(join(modules, kernel, 'kernel', path), { recursive: true, force: true });
  }
  // xz takes long to unpack while a machine boots; the file system compresses them again
  const compressed = (await readdir(modules, { recursive: true })).filter((name) => name.endsWith('.ko.xz'));
  await run('xz', ['--decompress', '--threads=0', ...compressed.map((name) => join(modules, name))]);
  await run('chroot', [root, 'depmod', kernel], { env: environment });

  await takeOutPackages(root);
  for (const path of removedPaths) await rm(join(root, path), { recursive: true, force: true });
  for (const path of mountPoints) await mkdir(join(root, path), { recursive: true });
  await cp(join(image, 'rootfs'), root, { recursive: true, verbatimSymlinks: true, force: true });
  for (const [path, mode] of Object.entries(privatePaths)) await chmod(join(root, path), mode);
  return kernel;
}

/** Removes the files of the packages that only the build needed, by dpkg's own lists. */
async function takeOutPackages(root: string): Promise<void> {
  const info = join(root, 'var/lib/dpkg/info');
  for (const name of takenOut) {
    const list = await Promise.any(
      [`${name}.list`, `${name}:amd64.list`].map((file) => readFile(join(info, file), 'utf8')),
    ).catch(() => ''); // the package is not in this suite, or not pulled in
    const paths = list.split('\n').filter((path) => path.lastIndexOf('/') > 0);
    // deepest first; directories that others use too stay, and so do /bin, /lib and the like, which are links
    for (const path of paths.sort().reverse()) await removeOwned(join(root, path));
  }
}

async function removeOwned(path: string): Promise<void> {
  try {
    await rm(path);
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR')) return;
    await rmdir(path).catch(() => {}); // not empty, or a link to a directory: somebody else's too
  }
}

/** Moves out of the tree what the boot image is made of. Must run before `finishRootTree` takes it out. */
export async function takeBootParts(root: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  const boot = await readdir(join(root, 'boot'));
  const kernel = boot.find((name) => name.startsWith('vmlinuz-')) ?? 'vmlinuz';
  await rename(join(root, 'boot', kernel), join(target, 'linux'));
  for (const name of ['linuxx64.efi.stub', 'systemd-bootx64.efi']) {
    await rename(join(root, 'usr/lib/systemd/boot/efi', name), join(target, name));
  }
}
