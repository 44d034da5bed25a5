import { lines, matching, type Probe } from './guest-probe.ts';

/** Names of the units of the verified root. */
export const shippedUnits: Probe<readonly string[]> = {
  name: 'shipped-units',
  command: `cd /usr/lib/systemd/system && for unit in *; do [ ! -f "$unit" ] || echo "$unit"; done`,
  form: lines(matching(/^([A-Za-z0-9:_.@\\-]{1,255})$/, ([name = '']) => name)).refine(
    (names) => names.includes('multi-user.target'),
    'no units are listed',
  ),
};

/** systemd.unit(5): kinds of units. */
const kinds = 'service|socket|target|mount|automount|swap|path|timer|slice|scope|device';
const kindName = new RegExp(`^(?:${kinds})$`);
const unitName = new RegExp(`\\.(?:${kinds})$`);
const dropInDirectory = new RegExp(`^(?:.*\\.)?(?:${kinds})\\.d$`);

/**
 * Returns whether a file would change a unit: it has its name, or is a drop-in of it, of all units whose names begin like its name,
 * or of all units of its kind (systemd.unit(5)). Links of `.wants` and `.requires` add to a unit, and change nothing in it.
 */
export function isOverride(path: string, shipped: ReadonlySet<string>): boolean {
  const parts = path.split('/');
  const dropIn = parts.find((part) => dropInDirectory.test(part));
  if (dropIn !== undefined) {
    const name = dropIn.slice(0, -2);
    if (shipped.has(name) || kindName.test(name)) return true;
    const kind = name.slice(name.lastIndexOf('.'));
    const stem = name.slice(0, -kind.length);
    const isTruncated = stem.endsWith('-');
    const isInstance = stem.includes('@') && shipped.has(`${stem.slice(0, stem.indexOf('@') + 1)}${kind}`);
    return (
      isInstance || (isTruncated && [...shipped].some((each) => each.startsWith(stem) && each.endsWith(kind)))
    );
  }
  const file = parts.at(-1) ?? '';
  if (/\.(?:wants|requires|upholds)$/.test(parts.at(-2) ?? '')) return false;
  const template = file.replace(/@.*(\.[a-z]+)$/, '@$1');
  return shipped.has(file) || (template !== file && shipped.has(template));
}

/** Returns the names of units among paths, once each. */
export function addedUnits(paths: readonly string[]): string[] {
  const names = paths.map((path) => path.split('/').at(-1) ?? '');
  return [...new Set(names.filter((name) => unitName.test(name)))];
}
