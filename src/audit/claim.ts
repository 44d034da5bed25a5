import { describe, HoldfastError } from '../base/errors.ts';
import { oneLine } from '../base/visible.ts';
import { type GuestAnswers, type Probe, readAnswer } from './guest-probe.ts';
import { type HostFacts, type HostFactTypes, readFact } from './host-facts.ts';

/** `off`: the user disabled it; `not applicable`: this machine has nothing that the claim could be about. */
export const verdicts = ['pass', 'fail', 'off', 'not applicable'] as const;
export type Verdict = (typeof verdicts)[number];

/** The verdict of a check, and its evidence in one line. */
export interface Finding {
  readonly verdict: Verdict;
  readonly evidence: string;
}

/** A statement about a machine, and the check that can refute it. */
export interface Claim {
  /** Stable; for scripts. */
  readonly id: string;
  /** The statement: verbatim if it is the document's. */
  readonly sentence: string;
  /** Whose statement it is. */
  readonly source: 'EFLOW' | 'Holdfast';
  /** Source of the evidence. */
  readonly where: 'guest' | 'host' | 'guest and host' | 'nowhere';
  /** Version of Holdfast since which the claim holds. */
  readonly since: string;
  /** What the check examines. */
  readonly looksAt: string;
  /** Who could make the claim pass although it does not hold, and how. */
  readonly fooledBy: string;
  /** Attacks that remain possible although the claim holds. */
  readonly notStopped: string;
  readonly probes: readonly Probe<unknown>[];
  /** Pure. Unreadable evidence fails the claim: nothing passes without evidence. */
  judge(answers: GuestAnswers, facts: HostFacts): Finding;
}

type Answers<P> = { readonly [Name in keyof P]: P[Name] extends Probe<infer T> ? T : never };

interface Declaration<P, H extends keyof HostFactTypes>
  extends Omit<Claim, 'source' | 'where' | 'probes' | 'judge'> {
  /** Default: EFLOW's security document. */
  readonly source?: Claim['source'];
  /** Probes of the guest; the key names the answer. */
  readonly guest: P;
  /** Facts about the host. */
  readonly host: readonly H[];
  /** May throw a HoldfastError for unreadable evidence. */
  readonly judge: (guest: Answers<P>, host: Pick<HostFactTypes, H>) => Finding;
}

/** Declares a claim. Answers are parsed strictly before `judge` gets them. */
export function defineClaim<
  P extends Readonly<Record<string, Probe<unknown>>>,
  H extends keyof HostFactTypes = never,
>({ guest, host, judge, ...parts }: Declaration<P, H>): Claim {
  const [asksGuest, asksHost] = [Object.keys(guest).length > 0, host.length > 0];
  return {
    source: 'EFLOW',
    ...parts,
    where: asksGuest ? (asksHost ? 'guest and host' : 'guest') : asksHost ? 'host' : 'nowhere',
    probes: Object.values(guest),
    judge: (answers, facts) => {
      try {
        const seen = Object.entries(guest).map(([name, probe]) => [name, readAnswer(probe, answers)]);
        const known = host.map((name) => [name, readFact(facts, name)]);
        return judge(Object.fromEntries(seen) as Answers<P>, Object.fromEntries(known));
      } catch (error) {
        if (!(error instanceof HoldfastError)) throw error;
        return fail(describe(error));
      }
    },
  };
}

export function pass(evidence: string): Finding {
  return { verdict: 'pass', evidence: oneLine(evidence) };
}

export function fail(evidence: string): Finding {
  return { verdict: 'fail', evidence: oneLine(evidence) };
}

export function off(evidence: string): Finding {
  return { verdict: 'off', evidence };
}

export function notApplicable(evidence: string): Finding {
  return { verdict: 'not applicable', evidence };
}

/** Passes with this evidence when there are no problems. */
export function unless(problems: readonly string[], evidence: string): Finding {
  return problems.length === 0 ? pass(evidence) : fail(problems.join('; '));
}
