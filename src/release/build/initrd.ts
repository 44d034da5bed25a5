import { copyFile, cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hostArchitecture } from '../../base/architecture.ts';
import { makeDirectory } from '../../base/files.ts';
import { run } from '../../base/process.ts';
import { treePaths } from '../../base/tree-paths.ts';
import { guestDistribution } from '../distribution.ts';
import { initrdModules } from './recipe.ts';
import { systemCallFilter } from './system-call-filter.ts';

/** The applets of busybox: links to it. */
const applets =
  'sh base64 cat chroot cp echo grep head insmod ln mkdir mount rm sed sleep sync tail tr umount unshare'.split(
    ' ',
  );

const directories = [
  'bin',
  'dev',
  'lib',
  hostArchitecture.loaderDirectory,
  'modules',
  'proc',
  'run',
  'sys',
  'sysroot',
  'view',
];

/** The root hash's signature, in the initrd. */
const signatureName = 'root-hash.p7s';

export interface InitrdRequest {
  /** The root tree with decompressed modules. */
  readonly root: string;
  readonly kernel: string;
  /** The project's `image/` directory. */
  readonly image: string;
  /** DER: the signature of the root hash. */
  readonly rootHashSignature: Uint8Array;
  /** DER: the signed IPE policies by their file names in `image/ipe`. */
  readonly integrityPolicies: ReadonlyMap<string, Uint8Array>;
  /** An existing directory for the tree and the result. */
  readonly scratch: string;
}

/**
 * Copies the programs with their libraries, before their packages are removed from the root.
 * @returns the paths of the copied files in the root.
 */
export async function takeInitrdPrograms(root: string, tree: string): Promise<string[]> {
  const taken = [guestDistribution.busybox, ...guestDistribution.initrdPrograms];
  for (const directory of directories) await makeDirectory(join(tree, directory));
  await copyFile(join(root, guestDistribution.busybox), join(tree, 'bin/busybox'));
  for (const applet of applets) await symlink('busybox', join(tree, 'bin', applet));
  for (const program of guestDistribution.initrdPrograms) {
    await copyFile(join(root, program), join(tree, 'bin', basename(program)));
    for (const library of await librariesOf(root, program)) {
      await makeDirectory(dirname(join(tree, library)));
      await copyFile(join(root, library), join(tree, library));
      taken.push(library);
    }
  }
  return taken;
}

/** Returns the libraries of a program, as absolute paths in the root. */
async function librariesOf(root: string, program: string): Promise<string[]> {
  const { stdout } = await run('chroot', [root, 'ldd', `/${program}`], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  });
  return [...stdout.toString().matchAll(/(\/\S+) \(0x[0-9a-f]+\)/g)].map(([, path = '']) => path);
}

/** Makes the initrd, a reproducible cpio archive compressed with zstd, and returns its path. */
export async function buildInitrd(tree: string, request: InitrdRequest): Promise<string> {
  await cp(join(request.image, 'initrd'), tree, { recursive: true });
  const modules = await moduleFiles(request.root, request.kernel);
  for (const path of modules) {
    await copyFile(
      join(request.root, 'usr/lib/modules', request.kernel, path),
      join(tree, 'modules', basename(path)),
    );
  }
  await writeFile(join(tree, 'modules/order'), modules.map((path) => `${basename(path)}\n`).join(''));
  await writeFile(join(tree, signatureName), request.rootHashSignature);
  await writeFile(join(tree, 'system-call-filter'), systemCallFilter());
  await mkdir(join(tree, 'ipe'));
  for (const [name, policy] of request.integrityPolicies) await writeFile(join(tree, 'ipe', name), policy);

  // the parts that every release changes are last, and there are no times: an update fetches only the end of the archive
  const changing = [...request.integrityPolicies.keys()].map((name) => `ipe/${name}`).concat(signatureName);
  const paths = (await treePaths(tree)).filter((path) => !changing.includes(path)).concat(changing);
  await run('touch', ['--no-dereference', '--date=@0', ...paths], { cwd: tree });
  const options = ['--create', '--null', '--format=newc', '--reproducible', '--owner=0:0', '--quiet'];
  const archive = await run('cpio', options, { cwd: tree, input: paths.map((path) => `${path}\0`).join('') });
  const packed = join(request.scratch, 'initrd');
  await run('zstd', ['-12', '--quiet', '--force', '-', '-o', packed], { input: archive.stdout });
  return packed;
}

/** Returns the modules of the recipe and their dependencies, in load order. */
async function moduleFiles(root: string, kernel: string): Promise<string[]> {
  const text = await readFile(join(root, 'usr/lib/modules', kernel, 'modules.dep'), 'utf8');
  return moduleOrder(text, initrdModules);
}

/**
 * Sorts modules by their dependencies.
 * @param dependencies modules.dep(5): `path: path…`, with a module's direct dependencies first.
 * @param wanted names, with `_` or `-`.
 */
export function moduleOrder(dependencies: string, wanted: readonly string[]): string[] {
  const byName = new Map<string, string[]>();
  for (const line of dependencies.trimEnd().split('\n')) {
    const [path = '', needs = ''] = line.split(': ', 2).map((part) => part.replace(/:$/, ''));
    byName.set(moduleName(path), [path, ...needs.split(' ').filter((need) => need !== '')]);
  }
  const ordered = new Set<string>();
  for (const name of wanted) {
    const paths = byName.get(moduleName(name));
    if (paths === undefined) throw new Error(`the kernel has no module ${name}`);
    for (const path of paths.toReversed()) ordered.add(path);
  }
  return [...ordered];
}

function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko(\.[a-z]+)?$/, '')
    .replaceAll('-', '_');
}
