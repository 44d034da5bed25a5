import { describe, HoldfastError } from '../base/errors.ts';
import { type GuestAnswers, type Probe, readAnswer } from './guest-probe.ts';
import { type HostFacts, type HostFactTypes, readFact } from './host-facts.ts';

/** `off`: the user chose to do without; `not applicable`: there is nothing here that it could be true of. */
export const verdicts = ['pass', 'fail', 'off', 'not applicable'] as const;
export type Verdict = (typeof verdicts)[number];

/** What a check concluded, and what it saw, in one line. */
export interface Finding {
  readonly verdict: Verdict;
  readonly evidence: string;
}

/** One thing that the security document says, and the check that can refute it. */
export interface Claim {
  /** Stable; for scripts. */
  readonly id: string;
  /** What the document says, in its own words. */
  readonly sentence: string;
  /** Where the check looks. */
  readonly where: 'guest' | 'host' | 'guest and host' | 'nowhere';
  /** The version of Holdfast that this is true since. */
  readonly since: string;
  /** What remains possible although the claim holds. */
  readonly notStopped: string;
  readonly probes: readonly Probe<unknown>[];
  /** Pure. What cannot be read is a fail: nothing passes that was not seen. */
  judge(answers: GuestAnswers, facts: HostFacts): Finding;
}

type Answers<P> = { readonly [Name in keyof P]: P[Name] extends Probe<infer T> ? T : never };

interface Declaration<P, H extends keyof HostFactTypes> extends Omit<Claim, 'where' | 'probes' | 'judge'> {
  /** What is asked in the guest; the key names the answer. */
  readonly guest: P;
  /** What is looked up on the host. */
  readonly host: readonly H[];
  /** May throw a HoldfastError for evidence that cannot be understood. */
  readonly judge: (guest: Answers<P>, host: Pick<HostFactTypes, H>) => Finding;
}

/** Declares a claim: its probes are read strictly before `judge` sees what they answered. */
export function defineClaim<
  P extends Readonly<Record<string, Probe<unknown>>>,
  H extends keyof HostFactTypes = never,
>({ guest, host, judge, ...parts }: Declaration<P, H>): Claim {
  const [asksGuest, asksHost] = [Object.keys(guest).length > 0, host.length > 0];
  return {
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
  return { verdict: 'pass', evidence };
}

export function fail(evidence: string): Finding {
  return { verdict: 'fail', evidence };
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
