import { randomBytes } from 'node:crypto';
import { bounds } from '../channel/bounds.ts';
import type { Guest } from '../channel/guest.ts';
import { rootScript } from '../guest/root-script.ts';
import type { Machine } from '../machine/machine.ts';
import type { MachineName } from '../machine/paths.ts';
import { guestOf } from '../supervisor/guest.ts';
import type { Claim, Finding } from './claim.ts';
import { bootedHash } from './claims/root.ts';
import { claims } from './claims.ts';
import { type GuestAnswers, parseAnswers, probeScript } from './guest-probe.ts';
import { gatherHostFacts, type HostFacts } from './host-facts.ts';

/**
 * Seconds for the guest to finish its boot and to answer all probes, before the host stops waiting. Answers up to then
 * count.
 */
const guestLimit = bounds.auditAnswers.time / 1000 - 30;

/** The channel answers before the packet filter is loaded and the network is up. */
const waitForBoot = 'timeout 60 systemctl is-system-running --wait >/dev/null 2>&1';

/** Exit code of timeout(1) after a timeout. */
const timedOut = 124;

/** A claim and its verdict. */
export type Result = Pick<Claim, 'id' | 'sentence' | 'where' | 'since' | 'notStopped'> & Finding;

/** The report for an auditor. */
export interface AuditReport {
  readonly machine: MachineName;
  /** End of the audit, in UTC (ISO 8601). */
  readonly time: string;
  /** Version of the running release; undefined when it cannot be read or is not signed. */
  readonly release: string | undefined;
  readonly rootHash: string | undefined;
  /** Whether nothing that the machine has kept took part in this start. */
  readonly asReleased: boolean;
  readonly results: readonly Result[];
}

/**
 * Tests every claim on a running machine: one command in the guest, while the host examines its own files. A claim that does not
 * hold is a result, not an error.
 * @throws HoldfastError those of `Machine.configuration` and `guestOf`; the signal's reason.
 */
export async function auditMachine(machine: Machine, signal: AbortSignal): Promise<AuditReport> {
  await machine.configuration(); // there is such a machine
  const [answers, facts] = await Promise.all([
    probeGuest(guestOf(machine), signal),
    gatherHostFacts(machine),
  ]);
  const releases = 'value' in facts.releases ? facts.releases.value : [];
  const booted = answers.get(bootedHash.name)?.text;
  const manifest = releases.find((each) => each.manifest.root.rootHash === booted)?.manifest;
  return {
    machine: machine.name,
    time: new Date().toISOString(),
    release: manifest?.version,
    rootHash: manifest?.root.rootHash,
    asReleased: 'value' in facts.asReleased && facts.asReleased.value,
    results: judgeAll(claims, answers, facts),
  };
}

/** Judges every claim. Pure. */
export function judgeAll(all: readonly Claim[], answers: GuestAnswers, facts: HostFacts): Result[] {
  return all.map((claim) => {
    const { id, sentence, where, since, notStopped } = claim;
    return { id, sentence, where, since, notStopped, ...claim.judge(answers, facts) };
  });
}

async function probeGuest(guest: Guest, signal: AbortSignal): Promise<GuestAnswers> {
  const mark = `audit-${randomBytes(12).toString('hex')}`;
  const script = probeScript(
    claims.flatMap(({ probes }) => probes),
    mark,
  );
  const argv = [
    ...rootScript,
    'timeout',
    String(guestLimit),
    'bash',
    '--norc',
    '-c',
    `${waitForBoot}\n${script}`,
  ];
  const { stdout } = await guest.run(argv, {
    timeoutMs: bounds.auditAnswers.time,
    maximum: bounds.auditAnswers.bytes,
    accept: [0, timedOut],
    signal,
  });
  return parseAnswers(stdout.toString('utf8'), mark);
}
