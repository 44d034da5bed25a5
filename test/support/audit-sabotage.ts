import assert from 'node:assert/strict';
import type { GuestAnswer } from '../../src/audit/guest-probe.ts';
import type { HostFactTypes } from '../../src/audit/host-facts.ts';
import { serializeRules } from '../../src/guest/firewall-file.ts';
import { goodAnswers, goodFacts } from './audit-evidence.ts';

/** Changed evidence and the expected result. */
export interface Sabotage {
  readonly what: string;
  /** Whether an honest user could do that by mistake, or only an attacker. */
  readonly by: 'mistake' | 'attacker';
  readonly guest?: Readonly<Record<string, string | GuestAnswer>>;
  readonly host?: Partial<HostFactTypes>;
  /** The claims that must fail; all others must hold. */
  readonly fails: readonly string[];
}

/** Returns an answer with a word replaced, which must occur in it. */
export function changed(probe: string, from: string, to: string): Record<string, string> {
  const good = goodAnswers[probe] ?? '';
  assert.ok(good.includes(from), `${probe} has ${from}`);
  return { [probe]: good.replace(from, to) };
}

export function added(probe: string, line: string): Record<string, string> {
  const good = goodAnswers[probe] ?? '';
  return { [probe]: good === '' ? line : `${good}\n${line}` };
}

/** Returns the packet filter of a family with more rules at the end of a table, which may be missing. */
export function withRules(
  family: 'ipv4' | 'ipv6',
  rules: readonly string[],
  table = 'filter',
): Record<string, string> {
  const probe = `filter-${family}`;
  const good = goodAnswers[probe] ?? '';
  const chains = [...new Set(rules.map((rule) => rule.split(' ')[1] ?? ''))]
    .filter((chain) => !good.includes(`\n:${chain} `))
    .map((chain) => `:${chain} - [0:0]\n`)
    .join('');
  const added = rules.map((rule) => `${rule}\n`).join('');
  if (table !== 'filter') return { [probe]: `${good}\n*${table}\n${chains}${added}COMMIT` };
  return {
    [probe]: good
      .replace('COMMIT', `${added}COMMIT`)
      .replace(':HOLDFAST - [0:0]\n', `:HOLDFAST - [0:0]\n${chains}`),
  };
}

/** The file as the guest prints it, without the last newline. */
export const allowedFile = serializeRules([
  { service: { protocol: 'tcp', first: 8080, last: 8090 }, from: undefined, comment: 'web' },
]).trimEnd();

/** A machine that was deployed with `--transport tcp`. */
export const tcp = { configuration: { ...goodFacts.configuration, transport: 'tcp' } } as const;

/** Its answers: the management channel listens on TCP. */
export const overTcp = { 'vsock-listeners': 'v_str LISTEN 0      0      *:22 *:*   ' };
