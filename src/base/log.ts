import { oneLine } from './visible.ts';

/** The parts that log, with the events that each logs. */
export const subsystems = {
  cli: 'interruptions, and where errors come from',
  process: 'programs that are started, with their arguments',
  channel: 'connections to a guest',
  qemu: 'commands that QEMU is given, and its events',
  supervisor: 'requests to the supervisor, and what becomes of its machine',
  tpm: "a guest's use of the host's TPM",
  repository: 'files that are read from repositories',
} as const satisfies Record<string, string>;

export type Subsystem = keyof typeof subsystems;

const known = Object.keys(subsystems) as Subsystem[];

/**
 * Reads the value of HOLDFAST_DEBUG: `1`, `all` or `*` enables every subsystem, a list with commas those that it names; an
 * empty value or `0` none.
 */
export function parseDebug(value: string): { enabled: Set<Subsystem>; unknown: string[] } {
  const words = value.split(',').map((word) => word.trim());
  const names = words.filter((word) => word !== '' && word !== '0');
  if (names.some((name) => ['1', 'all', '*'].includes(name))) return { enabled: new Set(known), unknown: [] };
  return {
    enabled: new Set(known.filter((subsystem) => names.includes(subsystem))),
    unknown: names.filter((name) => !Object.hasOwn(subsystems, name)),
  };
}

const given = parseDebug(process.env.HOLDFAST_DEBUG ?? '');
let enabled = given.enabled;
if (given.unknown.length > 0) {
  const names = given.unknown.map((name) => JSON.stringify(name)).join(', ');
  process.stderr.write(`HOLDFAST_DEBUG: unknown subsystem ${names}; known are ${known.join(', ')}, all\n`);
}

/** Enables every subsystem: set by `--debug`. */
export function enableDebug(): void {
  enabled = new Set(known);
}

export function isDebug(subsystem: Subsystem): boolean {
  return enabled.has(subsystem);
}

/** Writes a line to standard error when its subsystem is enabled. Never pass secrets. */
export function debug(subsystem: Subsystem, line: string): void {
  if (enabled.has(subsystem)) process.stderr.write(formatLine(subsystem, line));
}

/** Characters of an event that are logged. An argv of a program can have some thousand. */
const longestLine = 8000;

/** Returns a line of a log, the same for standard error and for files: time, subsystem, text. */
export function formatLine(subsystem: Subsystem, line: string, now = new Date()): string {
  // one line for one event, bounded and without control characters: a guest or a program may have supplied the text
  const text = line.length > longestLine ? `${line.slice(0, longestLine)}…` : line;
  return `${now.toISOString()} ${subsystem}: ${oneLine(text.replaceAll(/\p{Cc}+/gu, ' '))}\n`;
}
