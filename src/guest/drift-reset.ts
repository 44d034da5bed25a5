import type { Guest } from '../channel/guest.ts';
import { layersDirectory, type OverlayPath, type RawPath, rawPath } from './overlay-path.ts';
import { rootScript } from './root-script.ts';
import { dataDirectory, runsAsReleased } from './system-root.ts';

/**
 * Adds lines to the list of paths to reset, which the initrd reads before it mounts the overlay (`reset_paths` in
 * image/initrd/overlays). The list is replaced atomically. Of a machine that was started as released, Data is read-only before and after.
 */
const script = `set -eu
umask 077
export LC_ALL=C
if ${runsAsReleased}; then
  kept=$(readlink -f ${dataDirectory})
  mount -o remount,rw "$kept"
  trap 'sync -f "$kept"; mount -o remount,ro "$kept"' EXIT
fi
list=${layersDirectory}/$1/reset
file=$(mktemp "$list-XXXXXXXX")
{ if [ -f "$list" ]; then cat "$list"; fi; cat; } | sort -u >"$file" && sync "$file" || { rm -f "$file"; exit 1; }
mv -T "$file" "$list"
sync "\${list%/*}"`;

/**
 * Requests that the next start resets a path and everything below it to the release. The layers of a mounted overlay must not be
 * changed (kernel documentation, overlayfs, "Changes to underlying filesystems"). Idempotent.
 * @throws those of `Guest.run`.
 */
export async function requestReset(guest: Guest, { overlay, path }: OverlayPath): Promise<void> {
  const command = [...rootScript, 'sh', '-c', script, 'reset', overlay];
  await guest.run(command, { input: resetLine(path), timeoutMs: 60_000 });
}

/** Returns a path as a line for `%b` of printf: bytes that are not plain ASCII are octal (POSIX, printf). */
export function resetLine(path: RawPath): string {
  const octal = (byte: string) => `\\0${byte.charCodeAt(0).toString(8).padStart(3, '0')}`;
  return `${path.replace(/[^ -[\]-~]/g, octal)}\n`;
}

/** Returns the path of such a line, without its end. @throws RangeError for any other line. */
export function readResetLine(line: string): RawPath {
  if (!/^(?:[ -[\]-~]|\\0[0-3][0-7]{2})*$/.test(line)) throw new RangeError('malformed line of a reset');
  return rawPath(
    line.replace(/\\0([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
  );
}
