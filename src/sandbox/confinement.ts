import { HoldfastError } from '../base/errors.ts';
import { findProgram } from '../base/find-program.ts';
import { run } from '../base/process.ts';
import { type Confinement, confinedCommand } from './confined-command.ts';
import { hasMachineUsers, machineUser, machineUsers } from './machine-user.ts';

/** A part of the confinement that this host does not allow. */
interface MissingPart {
  readonly reason: string;
  readonly remedy: string;
}

export interface ChosenConfinement {
  readonly confinement: Confinement;
  /** Undefined: the confinement is complete. */
  readonly obstacle: MissingPart | undefined;
}

/** A program that does nothing, for the probe. */
const probe = '/usr/bin/true';
const probeLimitMs = 10_000;

/**
 * Returns the strongest confinement that this host allows. Without namespaces a machine has no user of its own: its files are
 * below directories that only their owner may enter.
 * @param disk a file of the machine; undefined: any machine's confinement, for a check of the host.
 */
export async function chooseConfinement(disk: string | undefined): Promise<ChosenConfinement> {
  const isRoot = process.getuid?.() === 0;
  const none: Confinement = { isRoot, user: undefined, groups: [], bubblewrap: undefined };
  const bubblewrap = await findProgram('bwrap');
  if (bubblewrap === undefined) {
    const remedy = 'install the package bubblewrap, and restart the machines';
    return { confinement: none, obstacle: { reason: 'bwrap is not installed', remedy } };
  }
  const hasUsers = isRoot && (await hasMachineUsers());
  const user = hasUsers ? (disk === undefined ? machineUsers.first : await machineUser(disk)) : undefined;
  const confinement: Confinement = { isRoot, user, groups: [], bubblewrap };
  const reason = await probeNamespaces(confinement);
  if (reason !== undefined) return { confinement: none, obstacle: { reason, remedy: remedies.namespaces } };
  if (!isRoot || hasUsers) return { confinement, obstacle: undefined };
  return {
    confinement,
    obstacle: {
      reason: `the user IDs from ${machineUsers.first} on are not mapped into this container`,
      remedy: remedies.users,
    },
  };
}

const remedies = {
  namespaces:
    'allow unprivileged user namespaces (sysctl user.max_user_namespaces), or CAP_SYS_ADMIN in a container; then restart the machines',
  users: 'map all user IDs into the container, or run Holdfast as another user than root',
};

/** Runs a program that does nothing. @returns why it failed; undefined on success. */
async function probeNamespaces(confinement: Confinement): Promise<string | undefined> {
  const program = { program: probe, args: [], readable: [], writable: [], devices: [], network: false };
  const [command = '', ...args] = confinedCommand(program, confinement);
  try {
    await run(command, withoutReport(args), { timeoutMs: probeLimitMs, env: {} });
    return undefined;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return (error.why ?? error.message).replace(/^bwrap: /, '');
  }
}

/** The probe has no descriptor for the report. */
function withoutReport(args: readonly string[]): readonly string[] {
  const at = args.indexOf('--info-fd');
  return [...args.slice(0, at), ...args.slice(at + 2)];
}
