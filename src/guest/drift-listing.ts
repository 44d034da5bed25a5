import { describe, failure, isFailure } from '../base/errors.ts';
import { bounds } from '../channel/bounds.ts';
import type { Guest } from '../channel/guest.ts';
import { printable } from '../channel/run.ts';
import { type Overlay, overlays } from '../release/overlay-content.ts';
import type { EntryType, LayerEntry, Layers } from './drift.ts';
import { type GuestRecord, readRecords, tooLarge } from './drift-records.ts';
import { readResetLine } from './drift-reset.ts';
import { layersDirectory, layersOnData, type RawPath, rawPath } from './overlay-path.ts';
import { rootScript } from './root-script.ts';
import { runsAsReleased, systemRoot } from './system-root.ts';

const top = rawPath('');

/**
 * Lists both layers of each named overlay. The lower ones are the directories of the release. tar shows the attributes of a
 * directory, as the guest has no getfattr. Every record is a word and its fields, each ended by NUL. Every user of the guest can make
 * paths that no program can open: what is below a path of 4,000 bytes is not listed, but that path is.
 */
export const listingScript = `set -eu
export PATH=/usr/sbin:/usr/bin LC_ALL=C
printf -v endless '%4000s*'; endless=\${endless// /?}
fields='%y\\0%m\\0%U\\0%G\\0%s\\0%l\\0%P\\0'
for name; do
  lower=/$name layers=${layersDirectory}/$name
  if ${runsAsReleased}; then options=upperdir=/sysroot/var${layersOnData}/$name/upper; else options=$(findmnt --noheadings --output FS-OPTIONS "${systemRoot}/$name"); fi
  if [ -L "$layers/upper" ] || [ ! -d "$layers/upper" ]; then
    printf 'overlay\\0%s\\0%s\\0' "$name" 'its layer on Data is not a directory'
    continue
  fi
  printf 'overlay\\0%s\\0%s\\0' "$name" "$options"
  find "$lower" -printf "lower\\0$fields"
  cd "$layers/upper"
  list() { find . -ignore_readdir_race -path "$endless" -prune -o "$@"; }
  list -printf "upper\\0$fields"
  list -type c -exec stat --printf='device\\0%Hr:%Lr\\0%n\\0' {} +
  list -type d -printf '%P\\0' | while IFS= read -r -d '' path; do
    if [ -d "$lower/$path" ] && (cd "./$path" && tar --create --format=posix --numeric-owner --no-recursion --xattrs \\
        --xattrs-include=trusted.overlay.opaque . | grep --text --quiet SCHILY.xattr.trusted.overlay.opaque=y)
    then printf 'opaque\\0%s\\0' "$path"; fi
  done
  list -type f -printf '%P\\0' | while IFS= read -r -d '' path; do
    if [ -f "$lower/$path" ] && cmp --quiet "./$path" "$lower/$path"; then printf 'same\\0%s\\0' "$path"; fi
  done
  if [ -f "$layers/reset" ]; then
    head -c 1048576 "$layers/reset" | while IFS= read -r line; do printf 'reset\\0%s\\0' "$line"; done
  fi
done
printf 'end\\0'`;

/** find(1), `%y`. */
const types: Readonly<Record<string, EntryType>> = {
  f: 'file',
  d: 'directory',
  l: 'link',
  c: 'device',
  b: 'device',
  p: 'pipe',
  s: 'socket',
};

/** The present state of an overlay. */
export interface OverlayListing extends Layers {
  readonly overlay: Overlay;
  /** Paths that the next start resets. */
  readonly pending: readonly RawPath[];
}

/**
 * Lists the layers of overlays, in one command.
 * @throws HoldfastError `drift.elsewhere` when changes are not stored on Data, `drift.large`, `guest.output`, and those of
 *   `Guest.run`.
 */
export async function listOverlays(
  guest: Guest,
  names: readonly Overlay[],
  signal: AbortSignal,
): Promise<OverlayListing[]> {
  const command = [...rootScript, 'bash', '--norc', '-c', listingScript, 'drift', ...names];
  const { bytes, time } = bounds.drift;
  try {
    const { stdout } = await guest.run(command, { timeoutMs: time, maximum: bytes, signal });
    return parseListing(stdout, names);
  } catch (error) {
    if (isFailure(error, 'guest.long')) throw tooLarge(`its listing has more than ${bytes} bytes`);
    throw error;
  }
}

/** Parses the output of the script. @throws HoldfastError `guest.output`, `drift.elsewhere`, `drift.large`. */
export function parseListing(output: Buffer, names: readonly Overlay[]): OverlayListing[] {
  try {
    const listings = readListings(readRecords(output));
    if (listings.map(({ overlay }) => overlay).join() !== names.join())
      throw new RangeError('it lists other overlays');
    return listings;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw failure('guest.output', 'cannot read the overlays that the guest reports', {
      why: printable(describe(error)),
      cause: error,
    });
  }
}

interface OpenListing {
  readonly overlay: Overlay;
  readonly lower: Map<RawPath, LayerEntry>;
  readonly upper: Map<RawPath, LayerEntry>;
  readonly same: Set<RawPath>;
  readonly opaque: Set<RawPath>;
  readonly pending: RawPath[];
}

function readListings(all: Iterable<GuestRecord>): OverlayListing[] {
  const listings: OpenListing[] = [];
  for (const { word, fields } of all) {
    const [first = '', second = ''] = fields;
    if (word === 'overlay') listings.push(openListing(first, second));
    const listing = listings.at(-1);
    if (listing === undefined) throw new RangeError('it does not begin with an overlay');
    if (word === 'lower' || word === 'upper') addEntry(listing[word], fields);
    else if (word === 'device') addDevice(listing.upper, first, second);
    else if (word === 'opaque' || word === 'same') listing[word].add(rawPath(first));
    else if (word === 'reset') listing.pending.push(...resetPath(first));
  }
  for (const { lower, upper } of listings)
    if (lower.get(top)?.type !== 'directory' || upper.get(top)?.type !== 'directory')
      throw new RangeError('a layer is not a directory');
  return listings;
}

/** Returns the path of a line in the list of resets, or nothing: root in the guest can write any line, which resets nothing. */
function resetPath(line: string): RawPath[] {
  try {
    return [readResetLine(line)];
  } catch (error) {
    if (error instanceof RangeError) return [];
    throw error;
  }
}

/** @throws HoldfastError `drift.elsewhere`. */
function openListing(name: string, options: string): OpenListing {
  const overlay = overlays.find((each) => each === name);
  if (overlay === undefined) throw new RangeError(`unexpected ${JSON.stringify(name)}`);
  const upper = `upperdir=/sysroot/var${layersOnData}/${overlay}/upper`;
  if (!options.split(',').includes(upper)) {
    throw failure('drift.elsewhere', `changes in /${overlay} are not stored on Data`, {
      why: printable(options) || 'nothing is mounted there',
      next: `repair what \`holdfast status\` shows as degraded, or stop the machine and run \`holdfast drift --reset /${overlay}\``,
    });
  }
  return {
    overlay,
    ...{ lower: new Map(), upper: new Map(), same: new Set(), opaque: new Set(), pending: [] },
  };
}

function addEntry(layer: Map<RawPath, LayerEntry>, fields: readonly string[]): void {
  const [letter = '', mode = '', user, group, size, target = '', name = ''] = fields;
  const path = rawPath(name);
  const type = types[letter];
  if (type === undefined || !/^[0-7]{1,4}$/.test(mode) || layer.has(path))
    throw new RangeError(`unexpected ${JSON.stringify(fields)}`);
  layer.set(path, {
    type,
    mode: Number.parseInt(mode, 8),
    ...{ user: wholeNumber(user), group: wholeNumber(group), size: wholeNumber(size) },
    target,
  });
}

/** Adds a device; a character device 0:0 is a whiteout (kernel documentation, overlayfs). */
function addDevice(upper: Map<RawPath, LayerEntry>, numbers: string, name: string): void {
  const path = rawPath(name.replace(/^\.\//, ''));
  const entry = upper.get(path);
  if (entry?.type !== 'device' || !/^\d+:\d+$/.test(numbers)) throw new RangeError('unexpected device');
  if (numbers === '0:0') upper.set(path, { ...entry, type: 'whiteout' });
}

function wholeNumber(text = ''): number {
  if (!/^\d{1,15}$/.test(text)) throw new RangeError(`unexpected ${JSON.stringify(text)}`);
  return Number(text);
}
