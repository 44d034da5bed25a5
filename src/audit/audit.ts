import { randomBytes } from 'node:crypto';
import { runToEnd } from '../channel/run.ts';
import { rootScript } from '../guest/root-script.ts';
import { readConfiguration } from '../machine/configuration.ts';
import type { HomeLayout, MachineName } from '../machine/paths.ts';
import { startIn } from '../supervisor/guest.ts';
import type { Claim, Finding } from './claim.ts';
import { bootedHash } from './claims/root.ts';
import { claims } from './claims.ts';
import { type GuestAnswers, parseAnswers, probeScript } from './guest-probe.ts';
import { gatherHostFacts, type HostFacts } from './host-facts.ts';

/** How long the guest may take to finish its boot and for all probes: seconds. What it has answered by then counts. */
const guestLimit = 180;

/** The channel answers before the packet filter is loaded and the network is up: only then is there something to audit. */
const waitForBoot = 'systemctl is-system-running --wait >/dev/null 2>&1';

/** What timeout(1) ends with when it had to cut off. */
const timedOut = 124;

/** One claim and what became of it. */
export type Result = Pick<Claim, 'id' | 'sentence' | 'where' | 'since' | 'notStopped'> & Finding;

/** What an auditor files. */
export interface AuditReport {
  readonly machine: MachineName;
  /** When the audit ended, in UTC (ISO 8601). */
  readonly time: string;
  /** Of the release that runs; undefined when it cannot be read or is not signed. */
  readonly release: string | undefined;
  readonly rootHash: string | undefined;
  readonly results: readonly Result[];
}

/**
 * Tests every claim on a running machine: one command in the guest, while the host looks at its own files.
 * @throws HoldfastError `machine.none`, `machine.off`, `machine.not-ready`, `channel.lost`, `guest.timeout`; the signal's
 *   reason. A claim that does not hold is a result, not an error.
 */
export async function auditMachine(
  layout: HomeLayout,
  name: MachineName,
  signal: AbortSignal,
): Promise<AuditReport> {
  await readConfiguration(layout, name);
  const [answers, facts] = await Promise.all([askGuest(layout, name, signal), gatherHostFacts(layout, name)]);
  const releases = 'value' in facts.releases ? facts.releases.value : [];
  const booted = answers.get(bootedHash.name)?.text;
  const manifest = releases.find((each) => each.manifest.root.rootHash === booted)?.manifest;
  return {
    machine: name,
    time: new Date().toISOString(),
    release: manifest?.version,
    rootHash: manifest?.root.rootHash,
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

async function askGuest(layout: HomeLayout, name: MachineName, signal: AbortSignal): Promise<GuestAnswers> {
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
  const { stdout } = await runToEnd(startIn(layout, name), argv, {
    timeoutMs: (guestLimit + 30) * 1000,
    accept: [0, timedOut],
    signal,
  });
  return parseAnswers(stdout.toString('utf8'), mark);
}
