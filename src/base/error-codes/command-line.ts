import type { ErrorEntry } from './entry.ts';

/** The command line itself, and the host that it runs on. */
export const commandLineCodes = {
  internal: {
    when: 'Holdfast met a condition that its code does not expect.',
    remedy: 'Run the command again with `--debug`, and report its output as a defect.',
  },
  interrupted: {
    when: 'A signal, such as Ctrl-C, ended the command.',
    remedy: 'Run the command again; finished steps are not repeated.',
  },
  usage: {
    when: 'The command line names an unknown command or flag, or lacks a required one.',
    remedy: 'Run the command with `--help` to see its arguments, flags and examples.',
  },
  'usage.choice': {
    when: 'A value is not one of the words that the argument or flag accepts.',
    remedy: 'Use one of the words that the error lists.',
  },
  'usage.conflict': {
    when: 'Two arguments or flags of one command line exclude each other.',
    remedy: 'Give only one of them.',
  },
  'usage.declined': {
    when: 'The question for confirmation was not answered with yes.',
    remedy: 'Nothing was changed; run the command again to confirm.',
  },
  'usage.empty': {
    when: 'An argument or flag has an empty value.',
    remedy: 'Give a value, or leave the flag out.',
  },
  'usage.nonce': {
    when: 'The nonce is not 16 to 64 bytes in hexadecimal digits.',
    remedy: 'Generate one with `openssl rand -hex 32`.',
  },
  'usage.keep': {
    when: '`holdfast release prune` was run without the number of releases to keep.',
    remedy: 'Give it with `--keep`.',
  },
  'usage.number': {
    when: 'A value is not a whole number of zero or more.',
    remedy: 'Write digits only, such as `4`.',
  },
  'usage.out': {
    when: '`holdfast release bundle` was run without a file to write.',
    remedy: 'Name the bundle with `--out`.',
  },
  'usage.repository': {
    when: '`holdfast release publish` or `release prune` was run without a repository.',
    remedy: 'Name its directory with `--repository`.',
  },
  'usage.secret': {
    when: 'Standard input ended before a key was entered, or has more than one line.',
    remedy: 'Enter the key alone, followed by a line break.',
  },
  'usage.unconfirmed': {
    when: 'The command needs confirmation, and standard input is not a terminal.',
    remedy: 'Read the risk that the error states, then add `--yes`.',
  },
  'size.malformed': {
    when: 'A size has no unit, is not a whole number of bytes, or is too large.',
    remedy: 'Write a number and a unit, such as `1024MB`, `10GB` or `2TB`.',
  },
  'set.nothing': {
    when: '`holdfast set` was run without a setting to change.',
    remedy: 'Give at least one of the flags that `holdfast set --help` lists.',
  },
  'terminal.mode': {
    when: 'The terminal of `holdfast shell` or `holdfast exec` could not be set to raw mode.',
    remedy: 'Connect standard input and output to pipes instead of the terminal.',
  },
  'archive.target': {
    when: 'The archive of logs cannot be written to the given file.',
    remedy: 'Name a file in an existing, writable directory.',
  },
  'disk.full': {
    when: 'The file system has less free space than the step needs.',
    remedy: 'Free some space, or set HOLDFAST_HOME to a directory on a larger disk.',
  },
  'file.exposed': {
    when: 'Keys or machines would be below a directory that another user owns or may write.',
    remedy:
      'Run as the owner of the directory, without sudo, or choose a directory of which all parents belong to you or to root and are writable for no one else. [Files](files.md#access) lists what is checked.',
  },
  'file.no-directory': {
    when: 'A directory was to be created in a file system that keeps none, such as below `/proc`.',
    remedy: 'Name a directory on a disk.',
  },
  'file.scratch': {
    when: 'Temporary files could not be created.',
    remedy: 'Set TMPDIR to a directory that you can write, or free some space there.',
  },
  'file.special': {
    when: 'A directory, a pipe, a socket or a device is in place of a file.',
    remedy: 'Put the file in its place, or name another one.',
  },
  'file.too-large': {
    when: 'A file that Holdfast reads as a whole exceeds its size limit.',
    remedy: 'Check that the path names the intended file, and restore the file if it is damaged.',
  },
  'home.too-long': {
    when: 'HOLDFAST_HOME and the name of the machine make socket paths longer than Linux allows.',
    remedy: 'Set HOLDFAST_HOME to a shorter path, or choose a shorter name for the machine.',
  },
  'home.unusable': {
    when: 'HOLDFAST_HOME is a file, cannot be created or read, is in a file system of the kernel, or its path has a comma.',
    remedy: 'Set HOLDFAST_HOME to a directory on a disk that you can write.',
  },
  'lock.failed': {
    when: 'The lock file of a machine or directory could not be locked.',
    remedy: 'Check that HOLDFAST_HOME is on a local file system that supports `flock`.',
  },
  'lock.held': {
    when: 'Another command is changing the same machine or directory.',
    remedy: 'Wait for the other command to end, or stop it, and try again.',
  },
  'process.aborted': {
    when: 'A program that Holdfast started was stopped because the command was interrupted.',
    remedy: 'Run the command again.',
  },
  'output.failed': {
    when: 'Standard output could not be written, such as to a full disk.',
    remedy: 'Check the file or device to which standard output leads. The command itself may have succeeded.',
  },
  'process.failed': {
    when: 'A program that Holdfast started failed, could not be started, or printed too much.',
    remedy: 'Run the command line that the error shows by hand to see the full output.',
  },
  'process.missing': {
    when: 'A program that Holdfast needs is not installed.',
    remedy: 'Run `holdfast doctor` to see what is missing and how to install it.',
  },
  'process.timeout': {
    when: 'A program that Holdfast started did not end within its time limit.',
    remedy: 'Check the load of the host, and try again.',
  },
  'process.unkillable': {
    when: 'A process does not end after SIGKILL, because the kernel waits for a device.',
    remedy: 'Check the disk of the host and its kernel log.',
  },
  'system.EACCES': {
    when: 'The operating system denied access to a file or device.',
    remedy: 'Run the command as the user who owns HOLDFAST_HOME.',
  },
  'system.ENOSPC': {
    when: 'The disk became full during the command.',
    remedy: 'Free some space and try again.',
  },
  'system.ENOTDIR': {
    when: 'A part of a path is a file where a directory is expected.',
    remedy: 'Set HOLDFAST_HOME to a directory.',
  },
  'system.EPERM': {
    when: 'The operating system does not permit an operation on a file.',
    remedy:
      'Run the command as the user who owns HOLDFAST_HOME, and check the attributes of the file with `lsattr`.',
  },
  'system.EROFS': {
    when: 'The file system is mounted read-only.',
    remedy: 'Set HOLDFAST_HOME to a writable directory.',
  },
  'quickstart.step': {
    when: 'A command that the quickstart ran failed.',
    remedy: 'Fix the error that the command printed, and run the quickstart again; it continues there.',
  },
  'setup.apt': {
    when: '`apt-get` could not install the packages that Holdfast needs.',
    remedy: 'Fix the error that apt-get printed, and run the set-up again.',
  },
  'setup.sudo': {
    when: 'Packages must be installed, but the user is not root and sudo is not installed.',
    remedy: 'Run the command that the error shows as root.',
  },
  'tag.not-ready': {
    when: 'The checkout does not match the version that the release script was to tag.',
    remedy: 'Follow RELEASING.md.',
  },
} as const satisfies Record<string, ErrorEntry>;
