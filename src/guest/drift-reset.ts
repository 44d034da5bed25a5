import type { Guest } from '../channel/guest.ts';
import { layersDirectory, type OverlayPath, type RawPath, rawPath } from './overlay-path.ts';
import { rootScript } from './root-script.ts';

/**
 * Adds lines to what an overlay is asked to give back, which the initrd reads before it mounts the overlay (`reset_paths` in
 * image/initrd/overlays). The list is there whole or not at all, whenever the machine is cut off.
 */
const script = `set -eu
umask 077
export LC_ALL=C
list=${layersDirectory}/$1/reset
file=$(mktemp "$list-XXXXXXXX")
trap 'rm -f "$file"' EXIT
{ if [ -f "$list" ]; then cat "$list"; fi; cat; } | sort -u >"$file"
sync "$file"
mv -T "$file" "$list"
sync "\${list%/*}"`;

/**
 * Asks for a path and all below it to be as in the release, from the next start on: what is in an overlay must not be
 * changed behind the kernel's back while it is mounted (kernel documentation, overlayfs, "Changes to underlying
 * filesystems"). Asking twice is asking once.
 * @throws those of `Guest.run`.
 */
export async function requestReset(guest: Guest, { overlay, path }: OverlayPath): Promise<void> {
  const command = [...rootScript, 'sh', '-c', script, 'reset', overlay];
  await guest.run(command, { input: resetLine(path), timeoutMs: 60_000 });
}

/** A path as a line that printf's `%b` turns back into it: what is not plain ASCII is octal (POSIX, printf). */
export function resetLine(path: RawPath): string {
  const octal = (byte: string) => `\\0${byte.charCodeAt(0).toString(8).padStart(3, '0')}`;
  return `${path.replace(/[^ -[\]-~]/g, octal)}\n`;
}

/** The path of such a line, without its end. @throws RangeError when `resetLine` made no such line. */
export function readResetLine(line: string): RawPath {
  if (!/^(?:[ -[\]-~]|\\0[0-3][0-7]{2})*$/.test(line)) throw new RangeError('a line of a reset is malformed');
  return rawPath(
    line.replace(/\\0([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
  );
}
