import { cp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { isFailure } from '../../../src/base/errors.ts';
import { exists, makePrivateDirectory } from '../../../src/base/files.ts';
import { type Lock, takeLock } from '../../../src/base/lock.ts';
import { run } from '../../../src/base/process.ts';
import { homeAt, type MachineName, machinePaths, parseMachineName } from '../../../src/machine/paths.ts';
import { checkJsonOutput } from '../json-output.ts';

/**
 * The HOLDFAST_HOMEs of the tests with machines: two test files run at a time, and each can change the machine that is
 * shared. They stay between runs, so that a release is built only when something changed; not in /tmp, which is memory on
 * many hosts.
 */
export const homes = ['holdfast/test', 'holdfast/test-2'].map((name) =>
  join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), name),
);

/** Each home is used only while its lock is held. */
export async function lockHome(directory: string): Promise<Lock> {
  await mkdir(dirname(directory), { recursive: true });
  return takeLock(`${directory}.lock`, 'tests');
}

/** The first unused home, reserved until this process ends. */
async function freeHome(): Promise<{ readonly directory: string; readonly lock: Lock }> {
  for (const directory of homes) {
    try {
      return { directory, lock: await lockHome(directory) };
    } catch (error) {
      if (!isFailure(error, 'lock.held')) throw error;
    }
  }
  throw new Error(`other tests use ${homes.join(' and ')}`);
}

const { directory, lock } = await freeHome();

export { lock };
export const home = homeAt(directory);

/** The machine shared by the tests that leave it unchanged. */
export const sharedName: MachineName = parseMachineName('default');

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface CommandOptions {
  readonly input?: string | Uint8Array;
  /** Default: ten minutes. */
  readonly timeoutMs?: number;
  /** Added to the environment. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts `holdfast`, for tests that need the running process. */
export const program = resolve(import.meta.dirname, '../../../bin/holdfast');
export const environment: NodeJS.ProcessEnv = { ...process.env, HOLDFAST_HOME: directory };

const anyCode = Array.from({ length: 256 }, (_, code) => code);

/** Runs `holdfast` as a user does, and checks the JSON that it prints. @returns its output and exit code. */
export async function holdfast(
  words: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { code, stdout, stderr } = await run(program, words, {
    env: { ...environment, ...options.env },
    timeoutMs: options.timeoutMs ?? 600_000,
    accept: anyCode,
    ...(options.input === undefined ? {} : { input: options.input }),
  });
  const result = { code, stdout: stdout.toString(), stderr };
  await checkJsonOutput(words, result);
  return result;
}

/** Runs `holdfast`, which must succeed. @returns its standard output. */
export async function expectDone(words: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await holdfast(words, options);
  if (code !== 0) throw new Error(`holdfast ${words.join(' ')} ended with ${code}\n${stderr}${stdout}`);
  return stdout;
}

/** Builds the release if necessary, which takes minutes the first time. @returns its directory. */
export async function builtRelease(): Promise<string> {
  await makePrivateDirectory(directory);
  const release = join(directory, 'build');
  await expectDone(['build', '--out', release], { timeoutMs: 1_200_000 });
  return release;
}

/** Ensures that the shared machine runs and has booted. Tests that change or break a machine deploy their own. */
export async function sharedMachine(): Promise<MachineName> {
  if (await exists(machinePaths(home, sharedName).configuration)) {
    await expectDone(['start', '--machine', sharedName]);
  } else {
    await expectDone(['deploy', '--machine', sharedName, '--release', await builtRelease()]);
  }
  return sharedName;
}

/** A file that only the release of `builtSuccessor` contains. */
export const successorMark = '/usr/share/holdfast/successor';

/** Builds a release with these files changed from `builtRelease`, if necessary. @returns its directory. */
export async function builtVariant(
  name: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<string> {
  const project = join(directory, name);
  await rm(project, { recursive: true, force: true });
  await mkdir(project, { recursive: true });
  const ours = resolve(import.meta.dirname, '../../..');
  for (const part of ['bin', 'src', 'image', 'package.json'])
    await cp(join(ours, part), join(project, part), { recursive: true, verbatimSymlinks: true });
  await symlink(join(ours, 'node_modules'), join(project, 'node_modules'));
  for (const [path, content] of Object.entries(files))
    await writeFile(join(project, 'image/rootfs', path), content);
  const release = join(directory, `build-${name}`);
  const lock = join(await builtRelease(), 'packages.json');
  await run(join(project, 'bin/holdfast'), ['build', '--out', release, '--lock', lock], {
    env: environment,
    timeoutMs: 1_200_000,
  });
  await rm(project, { recursive: true });
  return release;
}

/** Builds the release after `builtRelease`, which changes one file in /etc and adds another. */
export function builtSuccessor(): Promise<string> {
  const etc = { '/etc/issue': 'the successor\n', '/etc/successor': 'new\n' };
  return builtVariant('successor', { [successorMark]: 'two\n', ...etc });
}
