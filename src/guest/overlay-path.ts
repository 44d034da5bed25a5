import { misuse } from '../base/errors.ts';
import { type Overlay, overlays } from '../release/overlay-content.ts';

/** Directory of the overlays' layers in the guest: changes are in `upper`, next to the kernel's `work`. */
export const layersDirectory = '/var/.eflow/overlays';

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
  const parts = text.split('/');
  const isPath = text === '' || parts.every((part) => name.test(part) && part !== '.' && part !== '..');
  if (!isPath || text.length > 4096)
    throw new RangeError(`no path below a directory: ${JSON.stringify(text)}`);
  return text as RawPath;
}

/** Returns whether a path is another one or below it. */
export function isWithin(path: RawPath, directory: RawPath): boolean {
  return directory === '' || path === directory || path.startsWith(`${directory}/`);
}

/** Sorts each directory before its content. */
export function byPath(one: string, other: string): number {
  const [first, second] = [one, other].map((path) => path.replaceAll('/', '\0'));
  return first === second ? 0 : (first ?? '') < (second ?? '') ? -1 : 1;
}

/** Matches UTF-8 (RFC 3629 section 4) in one character a byte, and other bytes one by one. */
const characters =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: names may have any byte
  /[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[\x80-\xff]/g;

/**
 * Returns bytes as reversible text that is safe on a terminal: invalid UTF-8, control and invisible characters and the backslash
 * become `\xNN`, a byte each.
 */
export function showBytes(raw: string): string {
  return raw.replace(characters, (bytes) => {
    const isText = bytes.length > 1 || bytes < '\x80';
    const text = isText ? Buffer.from(bytes, 'latin1').toString() : '';
    return isText && !/[\p{C}\p{Zl}\p{Zp}\\]/u.test(text)
      ? text
      : Buffer.from(bytes, 'latin1').toString('hex').replace(/../g, '\\x$&');
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
