import * as z from 'zod';
import { describe, failure } from '../base/errors.ts';
import { quoteWord } from '../base/shell-quote.ts';
import type { Bytes } from '../base/size.ts';
import { bounds } from '../channel/bounds.ts';
import type { Guest } from '../channel/guest.ts';
import { rootHash } from '../verity/root-hash.ts';
import { ignoredFile, ignoredFiles } from './ignored-files.ts';
import { rootScript } from './root-script.ts';
import { runsAsReleased, systemRoot } from './system-root.ts';
import { userProblem, userProblems } from './user-channel.ts';

/**
 * Returns a script with limits of time and memory, and a line instead of the rest. A file of the running system can be sparse and of
 * terabytes, name a pipe as another file, or be one of a million: the other answers must come nevertheless.
 */
function limited(seconds: number, script: string, otherwise: string): string {
  const limits = 'ulimit -v 524288'; // KiB
  return `{ timeout ${seconds} sh -c ${quoteWord(`${limits}\n${script}`)}; [ $? != 124 ] || echo '${otherwise}'; }`;
}

/**
 * The commands of a report, all stock programs. One shell runs them all, as each command of the channel costs a fork in the
 * guest.
 */
const commands = {
  release: 'grep ^IMAGE_VERSION= /usr/lib/os-release',
  slot: 'cat /run/holdfast/slot',
  uptime: 'cat /proc/uptime',
  memory: 'grep -E "^Mem(Total|Available):" /proc/meminfo',
  data: `df -B1 --output=size,used,avail,iavail ${systemRoot}/var`,
  logs: `df -B1 --output=size,used,avail,iavail ${systemRoot}/logs`,
  rootHash: 'grep -o "holdfast\\.root=[^ ]*" /proc/cmdline',
  verity: 'dmsetup status root',
  secureBoot: 'od -An -tu1 -j4 -N1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c',
  lockdown: 'cat /sys/kernel/security/lockdown',
  addresses: 'ip -json address show scope global',
  degraded: 'head -n 20 /run/holdfast/degraded',
  users: limited(8, userProblems, 'time its files keep a program busy for more than 8 s'),
  ignored: limited(4, ignoredFiles, 'time'),
  asReleased: `if ${runsAsReleased}; then echo yes; fi`,
} as const;

/** A line `--- NAME` precedes each answer; the answer of a failed command is empty. */
export const reportScript = Object.entries(commands)
  .map(([name, command]) => `echo '--- ${name}'; ${command} 2>/dev/null`)
  .concat('true')
  .join('\n');

/** Parses an answer of this form into its groups. */
function answer(pattern: RegExp) {
  return z.string().transform((text, context) => {
    const match = pattern.exec(text);
    if (match) return match.slice(1);
    context.addIssue({ code: 'custom', message: `unexpected ${JSON.stringify(text.slice(0, 200))}` });
    return z.NEVER;
  });
}

function bytes(text: string | undefined, unit = 1): Bytes {
  return (Number(text) * unit) as Bytes;
}

const diskUse = answer(
  /^ *1B-blocks +Used +Avail +IFree\n *(\d{1,15}) +(\d{1,15}) +(\d{1,15}) +(\d{1,15}|-)$/,
).transform(([size, used, available, files]) => ({
  size: bytes(size),
  used: bytes(used),
  /** As df computes it: of what users can have. */
  usedPercent: Math.ceil((100 * Number(used)) / Math.max(1, Number(used) + Number(available))),
  /** Whether nothing more can be written: no block or no inode is free. */
  isFull: available === '0' || files === '0',
}));

/** `ip -json` shows the virtual interfaces of containers too. */
const interfaces = z
  .array(
    z.object({
      addr_info: z
        .array(z.object({ local: z.union([z.ipv4(), z.ipv6()]).optional() }))
        .max(64)
        .default([]),
    }),
  )
  .max(bounds.interfaces.count);

const textLines = z.string().transform((text) => (text === '' ? [] : text.split('\n')));

/** The report of a guest about itself. */
const guestReport = z.strictObject({
  /** Version of the running release. */
  release: answer(/^IMAGE_VERSION="?([0-9.]{1,64})"?$/).transform(([version]) => version ?? ''),
  slot: z.enum(['A', 'B']),
  /** Seconds since the kernel started. */
  uptime: answer(/^(\d{1,12}\.\d\d) \d+\.\d\d$/).transform(([seconds]) => Number(seconds)),
  memory: answer(/^MemTotal: +(\d{1,12}) kB\nMemAvailable: +(\d{1,12}) kB$/).transform(
    ([total, available]) => ({
      total: bytes(total, 1024),
      available: bytes(available, 1024),
    }),
  ),
  /** Use of the file systems of Data and Log. */
  data: diskUse,
  logs: diskUse,
  /** The root hash on the signed command line. */
  rootHash: answer(/^holdfast\.root=(\S+)$/)
    .transform(([hash]) => hash)
    .pipe(rootHash),
  /** State of dm-verity of the root; `off` when the root is not on dm-verity. */
  verity: answer(/^(?:|0 \d+ verity ([VC])(?: .*)?)$/).transform(([state]) =>
    state === undefined ? 'off' : state === 'V' ? 'verified' : 'corrupted',
  ),
  secureBoot: answer(/^(?:| *([01]))$/).transform(([state]) => state === '1'),
  lockdown: answer(/^(?:|.*\[(none|integrity|confidentiality)\].*)$/)
    .transform(([level]) => level ?? 'none')
    .pipe(z.enum(['none', 'integrity', 'confidentiality'])),
  /** IPv4 and IPv6 addresses of global scope. */
  addresses: z
    .string()
    .transform((text) => (text === '' ? [] : JSON.parse(text)))
    .pipe(interfaces)
    .transform((list) => list.flatMap(({ addr_info }) => addr_info.flatMap(({ local }) => local ?? []))),
  /** What the initrd reported as degraded, a sentence each: `degraded` of image/initrd/overlays. */
  degraded: textLines.pipe(z.array(z.string().regex(/^[ -~]{1,200}$/)).max(20)),
  /** Why users cannot log in, or not become root, a sentence each. */
  users: textLines.pipe(z.array(userProblem).max(10)),
  /** Files of users that have no effect, a sentence each. */
  ignored: textLines.pipe(z.array(ignoredFile).max(10)),
  /** Whether nothing that the machine has kept takes part in this start. */
  asReleased: z.enum(['', 'yes']).transform((text) => text === 'yes'),
});

export type GuestReport = z.output<typeof guestReport>;

/** Requests the report, in one command. @throws HoldfastError `guest.output`, and those of `Guest.run`. */
export async function askGuest(guest: Guest, timeoutMs = 30_000): Promise<GuestReport> {
  const { stdout } = await guest.run([...rootScript, 'sh', '-c', reportScript], { timeoutMs });
  return parseReport(stdout.toString('utf8'));
}

/** Parses a report. @throws HoldfastError `guest.output` unless every answer is well-formed: the guest is not trusted. */
export function parseReport(output: string): GuestReport {
  const answers = output.split(/^--- /m).map((part) => {
    const [name = '', ...lines] = part.trimEnd().split('\n');
    return [name, lines.join('\n')] as const;
  });
  if (answers[0]?.[0] === '') answers.shift();
  try {
    if (new Set(answers.map(([name]) => name)).size < answers.length)
      throw new Error('an answer is repeated');
    const parsed = guestReport.safeParse(Object.fromEntries(answers));
    if (parsed.success) return parsed.data;
    throw new Error(describe(parsed.error));
  } catch (error) {
    throw failure('guest.output', 'cannot read the report of the guest', {
      why: describe(error),
    });
  }
}
