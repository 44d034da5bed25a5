import type { Result } from '../audit/audit.ts';
import { describe, HoldfastError } from '../base/errors.ts';
import { bounds } from '../channel/bounds.ts';
import type { Guest } from '../channel/guest.ts';
import type { Slot } from '../disk/layout.ts';
import { waitForBoot } from '../guest/boot.ts';
import { askRunning } from '../guest/running.ts';
import type { MachineConfiguration } from '../machine/configuration.ts';
import type { RootHash } from '../verity/root-hash.ts';
import type { UpdateContext } from './context.ts';

/** The slot and root hash that a trial must run. */
export interface Expected {
  readonly slot: Slot;
  readonly rootHash: RootHash;
}

/**
 * The audit claims that depend on the release. The others depend on the users of the machine, or fail during any trial because it
 * is not committed.
 */
export const coreClaims: readonly string[] = [
  ...['release-signed', 'root-read-only', 'root-verity', 'root-signature'],
  ...['secure-boot', 'secure-boot-keys', 'boot-order', 'lockdown'],
  ...['data-writable', 'logs-on-log', 'overlay-etc', 'overlay-home', 'overlay-root'],
  ...['ssh-no-passwords', 'ssh-root-refused', 'ssh-keys-pinned', 'channel-not-on-network', 'no-login-prompt'],
];

const seconds = 1000;
const bootLimit = 300 * seconds;
const containerLimit = 60 * seconds;

/**
 * Runs all health checks of a trial and returns the problems that they found.
 * @param audit audits the machine.
 * @throws any error that is no HoldfastError, which is a defect of Holdfast.
 */
export async function problemsOf(
  { guest, users }: Pick<UpdateContext, 'guest' | 'users'>,
  audit: () => Promise<readonly Pick<Result, 'id' | 'verdict' | 'evidence'>[]>,
  expected: Expected,
  health: MachineConfiguration['health'],
): Promise<string[]> {
  const checks: readonly (() => Promise<string | undefined>)[] = [
    () => identityProblem(guest, expected),
    () => serviceProblem(guest),
    async () => auditProblem(await audit()),
    ...health.containers.map((name) => () => containerProblem(users, name)),
    ...health.commands.map(({ argv, seconds: limit }) => async () => {
      await users.run(argv, { timeoutMs: limit * seconds, maximum: bounds.healthCheck.bytes });
      return undefined;
    }),
  ];
  const found: string[] = [];
  for (const check of checks) {
    const problem = await check().catch((error: unknown) => {
      if (error instanceof HoldfastError) return describe(error);
      throw error;
    });
    if (problem !== undefined) found.push(problem);
  }
  return found;
}

async function identityProblem(guest: Guest, { slot, rootHash }: Expected): Promise<string | undefined> {
  const seen = await askRunning(guest);
  if (seen.slot !== slot) return `slot ${seen.slot} runs instead of ${slot}`;
  if (seen.rootHash !== rootHash) return `another release runs: its root hash is ${seen.rootHash}`;
  return undefined;
}

function auditProblem(results: readonly Pick<Result, 'id' | 'verdict' | 'evidence'>[]): string | undefined {
  const failed = results.filter(({ id, verdict }) => verdict === 'fail' && coreClaims.includes(id));
  if (failed.length === 0) return undefined;
  return `the audit fails: ${failed.map(({ id, evidence }) => `${id} (${evidence})`).join(', ')}`;
}

async function serviceProblem(guest: Guest): Promise<string | undefined> {
  const state = await waitForBoot(guest, bootLimit);
  if (state === 'running') return undefined;
  const list = ['systemctl', 'list-units', '--failed', '--plain', '--no-legend', '--no-pager'];
  const { stdout } = await guest.run(list, { timeoutMs: 30 * seconds });
  const units = stdout
    .toString('latin1')
    .split('\n')
    .map((line) => /^[\w@.:\\-]{1,100}/.exec(line)?.[0])
    .filter((unit) => unit !== undefined)
    .slice(0, 20);
  return `services failed: ${units.join(', ') || 'systemd reports a degraded state'}`;
}

async function containerProblem(users: Guest, name: string): Promise<string | undefined> {
  const inspect = ['sudo', '-n', 'podman', 'container', 'inspect', '--format', '{{.State.Running}}', name];
  const { stdout } = await users.run(inspect, { timeoutMs: containerLimit, accept: [0, 125] });
  return stdout.toString().trim() === 'true' ? undefined : `the container ${name} does not run`;
}
