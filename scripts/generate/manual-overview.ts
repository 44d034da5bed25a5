import { subsystems } from '../../src/base/log.ts';

/** The text of holdfast(1) and docs/reference/cli.md in addition to the command table. */

export const overview = `\`holdfast\` deploys and manages locked-down Linux virtual machines on a Debian host. A machine runs a signed release: it is verified from the firmware to each file of its root file system, and updated by replacing the release in its inactive slot.
A command acts on the machine \`default\`, or on the machine that \`--machine\` names. Results go to standard output, everything else to standard error. With \`--json\`, each result is one JSON object on a line, and errors are one object \`{"errors": [...]}\` on standard error.`;

export const exitCodes = [
  ['0', 'The command succeeded.'],
  ['1', 'The command failed, or a check found a problem.'],
  ['2', 'The command line or the configuration is wrong.'],
  ['128+N', 'The command was interrupted by signal N.'],
  [
    'other',
    '`holdfast exec` and `holdfast shell` exit with the code of the command in the guest, with 128+N when signal N ended it, and with 255 when the connection was lost.',
  ],
] as const;

export const environment = [
  [
    'HOLDFAST_HOME',
    'Directory of keys, releases and machines. Default: `holdfast` in `$XDG_DATA_HOME`, which defaults to `~/.local/share`.',
  ],
  [
    'HOLDFAST_DEBUG',
    `Subsystems that log to standard error, separated by commas: ${Object.keys(subsystems).join(', ')}. With \`1\`, \`all\` or \`*\`, all of them log, as with \`--debug\`.`,
  ],
  [
    'HOLDFAST_PROGRESS',
    'If set to `plain`, print a line to standard error at the start and the end of each step.',
  ],
  ['NO_COLOR', 'If set, print without colours.'],
] as const;

export const files = [
  ['HOLDFAST_HOME/keys/', 'Keys that sign releases and repositories. Keep a copy off this host.'],
  ['HOLDFAST_HOME/build/', 'The release that `holdfast build` made last.'],
  ['HOLDFAST_HOME/releases/', 'Imported releases.'],
  ['HOLDFAST_HOME/repository/', 'Trusted metadata of repositories.'],
  ['HOLDFAST_HOME/machines/NAME/', 'Disk, variable store, configuration, secrets and logs of a machine.'],
  ['HOLDFAST_HOME/cache/', 'Files that can be recreated.'],
] as const;

export const exampleLines = [
  ['holdfast doctor', 'Check whether this host can run machines'],
  [
    'holdfast build && holdfast deploy',
    'Build a release, and create and start the machine `default` from it',
  ],
  ['holdfast exec -- uname -r', 'Run a command in the guest'],
  ['holdfast update apply --from https://updates.example/', 'Update to the newest release of a repository'],
  ['holdfast audit', 'Test every security claim on the running machine'],
] as const;
