import { mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, failure, HoldfastError, isFailure, isSystemError, misuse } from '../base/errors.ts';
import { digestOfFile } from '../base/file-digest.ts';
import { exists, makeDirectory, makePrivateDirectory, readBounded } from '../base/files.ts';
import { run } from '../base/process.ts';
import { MiB } from '../base/size.ts';
import { recordCopy } from './fetched-copy.ts';
import { checkPins, type FetchedPackage, type PackagePins } from './package-pins.ts';

/** Limit for a Release file; sid's has 0.2 MB. */
const releaseLimit = 4 * MiB;

/** A Debian package to unpack without installing it. */
export interface DebianPackage {
  readonly name: string;
  /** Such as `sid`. */
  readonly suite: string;
  /** Debian's archive. */
  readonly mirror: string;
  /** The keys that the archive's Release file must be signed with. */
  readonly keyring: string;
  readonly pins: PackagePins;
}

/**
 * Fetches a package and unpacks it into `directory`, atomically; replaces what is there. apt verifies the chain: keyring, signed
 * Release file, package list, package. It uses a configuration of its own: the host's sources, lists and packages are neither used
 * nor changed. `checkPins` then denies an old version. Needs no root.
 * @throws HoldfastError `package.mirror` (exit code 2), `package.fetch`, `file.exposed`; those of `checkPins`.
 */
export async function unpackDebianPackage(wanted: DebianPackage, directory: string): Promise<void> {
  if (!URL.canParse(wanted.mirror) || /\s/.test(wanted.mirror)) {
    throw misuse('package.mirror', `'${wanted.mirror}' is not a mirror of Debian`, {
      why: 'it is not a URL',
      next: 'pass the URL of the directory with dists/ and pool/',
    });
  }
  await makePrivateDirectory(dirname(directory));
  const work = await mkdtemp(`${directory}.`);
  try {
    const configuration = await writeConfiguration(wanted, work);
    const apt = (...args: string[]) =>
      run('apt-get', ['--config-file', configuration, ...args], { cwd: work });
    await apt('update', '--error-on=any');
    await apt('download', wanted.name);
    const archive = (await readdir(work)).find((file) => file.endsWith('.deb'));
    if (archive === undefined) throw failure('package.fetch', 'apt-get downloaded nothing');
    const { version } = await check(wanted, work, join(work, archive));
    const unpacked = join(work, 'unpacked');
    await run('dpkg-deb', ['--extract', join(work, archive), unpacked]);
    await recordCopy(unpacked, version);
    await rm(directory, { recursive: true, force: true });
    await rename(unpacked, directory);
  } catch (error) {
    if (await wasUnpackedMeanwhile(error, directory)) return;
    throw explain(wanted, error);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Checks name, version and digest of a downloaded package. */
async function check({ name, pins }: DebianPackage, work: string, archive: string): Promise<FetchedPackage> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is dpkg-deb's
  const format = ['--show', '--showformat=${Package}\n${Version}\n'];
  const { stdout } = await run('dpkg-deb', [...format, archive]);
  const [found, version = ''] = stdout.toString().split('\n');
  if (found !== name) throw failure('package.fetch', `the archive has ${found} under the name ${name}`);
  const lists = join(work, 'lists');
  const release = (await readdir(lists)).find((file) => file.endsWith('_InRelease'));
  if (release === undefined) throw failure('package.fetch', 'the archive has no signed Release file');
  const fetched = { name, version, digest: await digestOfFile(archive) };
  await checkPins(
    fetched,
    pins,
    (await readBounded(join(lists, release), releaseLimit)).toString(),
    new Date(),
  );
  return fetched;
}

/**
 * Writes apt.conf(5): the file of `--config-file` is read last and overrides others. The host's proxy
 * settings stay in effect; its settings of trust, hooks and releases do not. An outdated Release file is no failure of apt here:
 * `checkPins` judges it, and accepts a known version from it.
 */
async function writeConfiguration(wanted: DebianPackage, work: string): Promise<string> {
  const path = join(work, 'apt.conf');
  for (const directory of ['lists/partial', 'archives/partial', 'sources'])
    await makeDirectory(join(work, directory));
  // sources.list(5), deb822 style. Without `Targets` apt also fetches indexes that other programs of the host configured.
  await writeFile(
    join(work, 'sources', 'debian.sources'),
    `Types: deb
URIs: ${wanted.mirror}
Suites: ${wanted.suite}
Components: main
Targets: Packages
Signed-By: ${wanted.keyring}
`,
  );
  await writeFile(
    path,
    `#clear APT::Update;
#clear APT::Default-Release;
#clear DPkg;
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Dir::State "./";
Dir::State::status "/dev/null";
Dir::State::extended_states "/dev/null";
Dir::Cache "./";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "./sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "/dev/null";
`,
  );
  return path;
}

/** Returns whether another process unpacked the same package first. */
async function wasUnpackedMeanwhile(error: unknown, directory: string): Promise<boolean> {
  const taken = isSystemError(error, 'ENOTEMPTY') || isSystemError(error, 'EEXIST');
  return taken && (await exists(directory));
}

/** Errors that state their cause already. */
const plain = [
  'process.missing',
  'package.outdated',
  'package.digest',
  'package.stale',
  'file.exposed',
] as const;

function explain(wanted: DebianPackage, error: unknown): unknown {
  if (!(error instanceof HoldfastError) || isFailure(error, ...plain)) return error;
  return failure('package.fetch', `cannot fetch ${wanted.name} from Debian ${wanted.suite}`, {
    why: describe(error),
    next: `check that ${wanted.mirror} can be reached and that ${wanted.keyring} is Debian's, or use another mirror`,
    cause: error,
  });
}
