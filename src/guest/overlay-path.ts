import { misuse } from '../base/errors.ts';
import { type Overlay, overlays } from '../release/overlay-content.ts';
import { dataDirectory } from './system-root.ts';

/** Directory on Data of the overlays' layers: changes are in `upper`, next to the kernel's `work`. */
export const layersOnData = '/.eflow/overlays';

/** The same, as the management channel sees it. */
export const layersDirectory = `${dataDirectory}${layersOnData}`;

/**
 * A path below the directory of an overlay: any bytes but NUL, one character each; empty for the directory itself. Only `rawPath`
 * makes one.
 */
export type RawPath = string & { readonly __brand: 'RawPath' };

/** The name of a file, one character a byte. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: names may have any byte but NUL
const name = /^[\x01-\xff]{1,255}$/s;

/** Validates a path from guest output or the user. @throws RangeError unless it is a path below a directory. */
export function rawPath(text: string): RawPath {
  const isPath =
    text === '' ||
    (text.length <= 4096 &&
      text.split('/').every((part) => name.test(part) && part !== '.' && part !== '..'));
  if (!isPath) throw new RangeError(`no path below a directory: ${JSON.stringify(text.slice(0, 4096))}`);
  return text as RawPath;
}

/** Returns whether a path is another one or below it. */
export function isWithin(path: RawPath, directory: RawPath): boolean {
  return directory === '' || path === directory || path.startsWith(`${directory}/`);
}

/** Returns a string by which paths sort so that each directory is followed by its content. */
export function pathOrder(path: RawPath): string {
  if (!path.includes('/')) return path;
  const bytes = Buffer.from(path, 'latin1'); // replaceAll takes milliseconds for a path of thousands of parts
  for (let at = bytes.indexOf(slash); at >= 0; at = bytes.indexOf(slash, at + 1)) bytes[at] = 0;
  return bytes.toString('latin1');
}

const slash = 0x2f;

/** Sorts each directory before its content, and the content right after it. */
export function sortPaths<T>(items: Iterable<T>, pathOf: (item: T) => RawPath): T[] {
  return Array.from(items, (item) => ({ order: pathOrder(pathOf(item)), item }))
    .sort((one, other) => (one.order < other.order ? -1 : one.order > other.order ? 1 : 0))
    .map(({ item }) => item);
}

/** Returns whether a path is one of many directories or below one, in logarithmic time. */
export function withinAny(directories: Iterable<RawPath>): (path: RawPath) => boolean {
  const tops: { readonly order: string; readonly path: RawPath }[] = [];
  for (const path of sortPaths(directories, (each) => each)) {
    const last = tops.at(-1);
    if (last === undefined || !isWithin(path, last.path)) tops.push({ order: pathOrder(path), path });
  }
  return (path) => {
    // the last one that sorts before the path: of disjoint directories no other can contain it
    const top = tops[countBefore(tops, `${pathOrder(path)}\0`) - 1];
    return top !== undefined && isWithin(path, top.path);
  };
}

/** Returns how many of the sorted items sort before `order`. */
export function countBefore(items: readonly { readonly order: string }[], order: string): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((items[middle]?.order ?? '') < order) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Matches plain text, UTF-8 (RFC 3629 section 4) in one character a byte, and other bytes one by one. */
const characters =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: names may have any byte
  /[ -[\]-~]+|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[\x00-\xff]/g;

const isPlain = /^[ -[\]-~]*$/;
const isPlainStart = /^[ -[\]-~]/;

/** Each byte as `\xNN`. */
const escapes = Array.from({ length: 256 }, (_, byte) => `\\x${byte.toString(16).padStart(2, '0')}`);

/**
 * Returns bytes as reversible text that is safe on a terminal: invalid UTF-8, control and invisible characters and the backslash
 * become `\xNN`, a byte each.
 */
export function showBytes(raw: string): string {
  if (isPlain.test(raw)) return raw;
  return raw.replace(characters, (bytes) => {
    if (isPlainStart.test(bytes)) return bytes;
    if (bytes.length === 1) return escapes[bytes.charCodeAt(0)] ?? '';
    const text = Buffer.from(bytes, 'latin1').toString();
    return /[\p{C}\p{Zl}\p{Zp}]/u.test(text)
      ? Array.from(bytes, (byte) => escapes[byte.charCodeAt(0)]).join('')
      : text;
  });
}

/** Returns the bytes of a text that `showBytes` made or a user typed. */
function readBytes(text: string): string {
  return Buffer.from(text)
    .toString('latin1')
    .replace(/\\x([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** A path in an overlay of the guest. */
export interface OverlayPath {
  readonly overlay: Overlay;
  readonly path: RawPath;
}

/** Returns the path as users read and type it: `/etc/ssh/sshd_config`. */
export function showPath({ overlay, path }: OverlayPath): string {
  return path === '' ? `/${overlay}` : `/${overlay}/${showBytes(path)}`;
}

/** Parses a path as `showPath` shows it. @throws HoldfastError `drift.path`. */
export function parseOverlayPath(word: string): OverlayPath {
  const match = /^\/([a-z]+)(?:\/+(.*?))?\/*$/s.exec(word);
  const overlay = overlays.find((each) => each === match?.[1]);
  if (overlay === undefined) {
    throw misuse('drift.path', `'${word}' is in no overlay`, {
      why: 'only /etc, /home and /root are overlays; the rest of the release is read-only, and /var is data of the machine',
      next: 'name one of these directories, or an absolute path in one of them',
    });
  }
  try {
    return { overlay, path: rawPath(readBytes(match?.[2] ?? '')) };
  } catch (cause) {
    throw misuse('drift.path', `'${word}' is not a valid path`, {
      why: 'it is too long, or has a part that is empty, `.` or `..`',
      next: 'write the path as `holdfast drift` shows it',
      cause,
    });
  }
}
