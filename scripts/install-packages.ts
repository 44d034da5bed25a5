import { once } from 'node:events';
import { failure } from '../src/base/errors.ts';
import { exists } from '../src/base/files.ts';
import { findProgram } from '../src/base/find-program.ts';
import { start, started } from '../src/base/process.ts';
import { quoteCommand } from '../src/base/shell-quote.ts';
import { report } from '../src/cli/framework/report.ts';
import type { Purpose } from '../src/distribution/distribution.ts';
import { hostPackages, missingPackages } from '../src/host/packages.ts';
import { homeAt, homeDirectory } from '../src/machine/paths.ts';
import { hostDistribution } from '../src/supervisor/host-distribution.ts';
import { hostHypervisor } from '../src/supervisor/host-hypervisor.ts';

/** Debian's ssh.service starts no server while this file exists (its ConditionPathExists). */
const noServer = '/etc/ssh/sshd_not_to_be_run';

/** Options of apt-get: wait for another apt instead of failing, ask nothing, and install no recommended packages. */
const aptGet = ['apt-get', '--quiet', '-o', 'DPkg::Lock::Timeout=300'];

/**
 * Installs missing Debian packages for these purposes, and prints each with its reason. Needs no root when none is missing.
 * @throws HoldfastError `setup.sudo`, `setup.apt`.
 */
async function installMissing(purposes: readonly Purpose[]): Promise<void> {
  const packages = hostPackages(hostHypervisor(homeAt(homeDirectory())), hostDistribution);
  const missing = await missingPackages(packages, purposes, hostDistribution);
  if (missing.length === 0) return;
  process.stdout.write(`Installing ${missing.length} Debian packages:\n`);
  for (const each of missing) process.stdout.write(`  ${each.package.padEnd(24)} ${each.why}\n`);
  if (missing.some((each) => each.package === 'openssh-server') && !(await exists(noServer))) {
    // the tests start their own server on a UNIX socket: none may appear on this host's network
    process.stdout.write(`The SSH server stays off: ${noServer} is made\n`);
    await asRoot(['install', '-D', '-m', '644', '/dev/null', noServer]);
  }
  const install = [
    ...aptGet,
    'install',
    '--yes',
    '--no-install-recommends',
    ...missing.map((each) => each.package),
  ];
  try {
    await asRoot(install);
  } catch {
    process.stdout.write('The package lists are missing or outdated: fetching new ones\n');
    await asRoot([...aptGet, 'update']);
    await asRoot(install);
  }
}

/** Runs a command as root, directly or through sudo, and shows its output. */
async function asRoot(command: readonly string[]): Promise<void> {
  const words = ['env', 'DEBIAN_FRONTEND=noninteractive', ...command];
  if (process.getuid?.() !== 0) {
    if ((await findProgram('sudo')) === undefined) {
      throw failure('setup.sudo', 'cannot install packages without root', {
        why: 'the user is not root, and sudo is not installed',
        next: `as root, run: ${command.join(' ')}`,
      });
    }
    words.unshift('sudo');
  }
  const [program = '', ...args] = words;
  process.stdout.write(`$ ${quoteCommand(program, args)}\n`);
  const child = start(program, args, { stdio: 'inherit' });
  await started(child, program);
  const [code] = await once(child, 'close');
  if (code !== 0) {
    throw failure('setup.apt', 'cannot install packages', {
      why: `${quoteCommand(program, args)} ended with ${code}`,
      next: 'fix the error above, and run this again',
    });
  }
}

try {
  await installMissing(process.argv.includes('--for-tests') ? ['run', 'build', 'test'] : ['run', 'build']);
} catch (error) {
  process.exitCode = report(error, process.stderr, false);
}
