import { appendFile, open } from 'node:fs/promises';
import { isSystemError } from '../base/errors.ts';
import { bounds } from '../channel/bounds.ts';

/*
 * Reads the console output of a guest since its last start. The output is untrusted: it is shown bounded and without control
 * sequences, and decides only about starting again.
 */

/** How much of a line of a problem is shown: characters. */
const lineLimit = 160;

/** The supervisor writes this into the console log before each start. */
const mark = '--- holdfast starts the machine: ';

/**
 * `unbootable`: the firmware found nothing that it is allowed to start, and waits for a key forever; `panic`:
 * kernel panic; `locked`: the initrd gave up because the data cannot be opened; `halted`: the kernel stopped all processors, and
 * waits for its power to be switched off; `notice`: a problem of a guest that may still come up, or has.
 */
type ProblemKind = 'unbootable' | 'panic' | 'locked' | 'halted' | 'notice';

/** Console lines of firmware, fallback loader, kernel and initrd that report a problem. Their groups are shown. */
const problemLines: readonly (readonly [RegExp, ProblemKind])[] = [
  // edk2: MdeModulePkg/Library/UefiBootManagerLib; Secure Boot denies its shell by design
  [
    /^BdsDxe: (failed to (?:load|start) Boot.{4} "(?!EFI Internal Shell).*?") from .*(: [A-Z][A-Za-z ]+)$/,
    'notice',
  ],
  // an entry that belongs to no slot
  [/^BdsDxe: (starting Boot(?!000[AB] ).{4} "(?!EFI Internal Shell).*?") from /, 'notice'],
  [/^BdsDxe: (No bootable option or device was found)/, 'unbootable'],
  // systemd: src/boot/efi/log.c
  [/^\S*src\/boot\/\S+: (Error .*)$/, 'notice'],
  [/device-mapper: (verity: .* is corrupted)/, 'notice'],
  [/(?:^|\] )(holdfast: (?!Data is locked: ).+)$/, 'notice'],
  [/(?:^|\] )holdfast: (Data is locked: .+)$/, 'locked'],
  [/(?:^|\] )(Kernel panic - not syncing: .*)$/, 'panic'],
  // arch/x86/kernel/dumpstack.c, arch/x86/mm/fault.c, lib/bug.c
  [/^\[ *\d+\.\d+\] ((?:BUG: |Oops: |kernel BUG at |general protection fault).*)$/, 'notice'],
  // kernel/reboot.c; what a process logs has its name in front
  [/^\[ *\d+\.\d+\] (reboot: System halted)$/, 'halted'],
];

export interface ConsoleProblem {
  /** One line. */
  readonly text: string;
  readonly kind: ProblemKind;
}

/** Returns the problem that the console output `text` of one start reports, if any. Pure. */
export function consoleProblem(text: string): ConsoleProblem | undefined {
  const found = new Set<string>();
  let worst: ProblemKind = 'notice';
  for (const line of text.split('\n')) {
    for (const [pattern, kind] of problemLines) {
      const match = pattern.exec(line);
      if (!match) continue;
      const shown = match.slice(1).join('').slice(0, lineLimit);
      if (kind === 'locked') return { text: shown, kind }; // the cause of all that follows
      found.add(shown);
      if (kind !== 'notice') worst = kind;
    }
  }
  return found.size === 0
    ? undefined
    : { text: [...found].join('; ').slice(-bounds.problem.count), kind: worst };
}

/** Marks the beginning of a start in the console log. */
export async function markStart(path: string, now = new Date()): Promise<void> {
  await appendFile(path, `\n${mark}${now.toISOString()} ---\n`, { mode: 0o600 });
}

/** Returns the end of the console output since the last start: printable lines, each ended by a newline. */
export async function readConsole(path: string): Promise<string> {
  const tail = (await readTail(path)).toString('latin1');
  const at = tail.lastIndexOf(`\n${mark}`);
  return plainLines(at < 0 ? tail : tail.slice(tail.indexOf('\n', at + 1) + 1));
}

/** Removes control sequences (ECMA-48), control characters, empty lines, and the end of a long line. */
export function plainLines(text: string): string {
  const lines = text
    // control sequences, operating system commands, and other escapes
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
    .replace(/\x1b\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b./g, '')
    .split(/[\r\n]+/)
    // the patterns of problems take quadratic time: 28 s for a line of 256 KiB
    .map((line) =>
      line
        .slice(0, bounds.consoleLine.count)
        .replace(/[^\x20-\x7e]+/g, ' ')
        .trim(),
    )
    .filter((line) => line !== '');
  return lines.map((line) => `${line}\n`).join('');
}

async function readTail(path: string): Promise<Buffer> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(path);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return Buffer.alloc(0);
    throw error;
  }
  try {
    const { size } = await handle.stat();
    const length = Math.min(size, bounds.consoleTail.bytes);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
