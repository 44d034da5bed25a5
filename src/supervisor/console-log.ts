import { appendFile, open } from 'node:fs/promises';
import { isSystemError } from '../base/errors.ts';
import { KiB } from '../base/size.ts';

/*
 * What a guest's console says of the start that is under way, or was the last. All of it comes from the guest, which may
 * print what it likes: it is shown, bounded and without what a terminal would obey, and decides only over starting again.
 */

/** At most so much of a console's end is looked at: bytes. */
const tailLimit = 256 * KiB;

/** How much of a problem is shown: characters of a line, and of all. */
const lineLimit = 160;
const problemLimit = 500;

/** Put into the console's log by the supervisor ahead of each start. */
const mark = '--- holdfast starts the machine: ';

/**
 * `refused`: the firmware found nothing that it may start, and waits for a key for ever; `panic`: the kernel gave up; `locked`:
 * the initrd did, as the data cannot be opened; `notice`: it may still come up, or has, though not as it should.
 */
type ProblemKind = 'refused' | 'panic' | 'locked' | 'notice';

/** Lines that say why a guest does not get on: firmware, fallback loader, kernel, initrd. Groups are what is shown. */
const tellingLines: readonly (readonly [RegExp, ProblemKind])[] = [
  // edk2: MdeModulePkg/Library/UefiBootManagerLib; its shell is refused by the firmware's own rule, and nobody's concern
  [
    /^BdsDxe: (failed to (?:load|start) Boot.{4} "(?!EFI Internal Shell).*?") from .*(: [A-Z][A-Za-z ]+)$/,
    'notice',
  ],
  // anything but the entries of ours
  [/^BdsDxe: (starting Boot(?!000[AB] ).{4} "(?!EFI Internal Shell).*?") from /, 'notice'],
  [/^BdsDxe: (No bootable option or device was found)/, 'refused'],
  // systemd: src/boot/efi/log.c
  [/^\S*src\/boot\/\S+: (Error .*)$/, 'notice'],
  [/device-mapper: (verity: .* is corrupted)/, 'notice'],
  [/(?:^|\] )(holdfast: (?!Data is locked: ).+)$/, 'notice'],
  [/(?:^|\] )holdfast: (Data is locked: .+)$/, 'locked'],
  [/(?:^|\] )(Kernel panic - not syncing: .*)$/, 'panic'],
];

export interface ConsoleProblem {
  /** What the console said, in one line. */
  readonly text: string;
  readonly kind: ProblemKind;
}

/** What went wrong in the start that `text` is the console of; undefined when it does not say. Pure. */
export function consoleProblem(text: string): ConsoleProblem | undefined {
  const found = new Set<string>();
  let worst: ProblemKind = 'notice';
  for (const line of text.split('\n')) {
    for (const [pattern, kind] of tellingLines) {
      const match = pattern.exec(line);
      if (!match) continue;
      const told = match.slice(1).join('').slice(0, lineLimit);
      if (kind === 'locked') return { text: told, kind }; // what follows, follows from it
      found.add(told);
      if (kind !== 'notice') worst = kind;
    }
  }
  return found.size === 0 ? undefined : { text: [...found].join('; ').slice(-problemLimit), kind: worst };
}

/** Marks the beginning of a start in the log. */
export async function markStart(path: string, now = new Date()): Promise<void> {
  await appendFile(path, `\n${mark}${now.toISOString()} ---\n`, { mode: 0o600 });
}

/** What the console said since the last start, or the end of that: printable lines, each ended by a newline. */
export async function readConsole(path: string): Promise<string> {
  const tail = (await readTail(path)).toString('latin1');
  const at = tail.lastIndexOf(`\n${mark}`);
  return plainLines(at < 0 ? tail : tail.slice(tail.indexOf('\n', at + 1) + 1));
}

/** The lines that a person would see, without what moves a terminal's cursor or colours it (ECMA-48). */
export function plainLines(text: string): string {
  const lines = text
    // control sequences, operating system commands, and other escapes
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    .replace(/\x1b\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b./g, '')
    .split(/[\r\n]+/)
    .map((line) => line.replace(/[^\x20-\x7e]+/g, ' ').trim())
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
    const length = Math.min(size, tailLimit);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
