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

/** A file of units, relative to a directory of units or to one above. */
export interface UnitFile {
  readonly path: string;
  /** Target of a link, or empty. */
  readonly target: string;
}

/**
 * Returns whether a file would change a unit: it has its name, or is a drop-in of it, of all units whose names begin like its name,
 * or of all units of its kind (systemd.unit(5)). Links of `.wants` and `.requires` add to a unit, and change nothing in it.
 * @param aliases further names of shipped units: a drop-in of an alias changes the unit.
 */
export function isOverride(
  path: string,
  shipped: ReadonlySet<string>,
  aliases: ReadonlySet<string>,
): boolean {
  const dropIn = path.split('/').find((part) => dropInDirectory.test(part));
  if (dropIn !== undefined) {
    const name = dropIn.slice(0, -2);
    return kindName.test(name) || isMeant(name, shipped) || isMeant(name, aliases);
  }
  if (isWish(path)) return false;
  const file = lastPart(path);
  const template = file.replace(/@.*(\.[a-z]+)$/, '@$1');
  return shipped.has(file) || (template !== file && shipped.has(template));
}

/** Returns whether drop-ins of this name apply to one of these units. */
function isMeant(name: string, units: ReadonlySet<string>): boolean {
  if (units.has(name)) return true;
  const kind = name.slice(name.lastIndexOf('.'));
  const stem = name.slice(0, -kind.length);
  if (stem.includes('@') && units.has(`${stem.slice(0, stem.indexOf('@') + 1)}${kind}`)) return true;
  return stem.endsWith('-') && [...units].some((each) => each.startsWith(stem) && each.endsWith(kind));
}

/** Returns the names that links give to shipped units, also through other links: systemd.unit(5), "Alias". */
export function unitAliases(files: readonly UnitFile[], shipped: ReadonlySet<string>): ReadonlySet<string> {
  const links = files.filter(({ path, target }) => target !== '' && unitName.test(path) && !isWish(path));
  const linksTo = Map.groupBy(links, ({ target }) => lastPart(target));
  const aliases = new Set<string>();
  const namesOf = (unit: string) => (linksTo.get(unit) ?? []).map(({ path }) => lastPart(path));
  for (const name of [...shipped].flatMap(namesOf)) aliases.add(name);
  for (const alias of aliases) for (const name of namesOf(alias)) aliases.add(name); // those added are visited too
  return aliases;
}

/** Returns whether a file is a link by which a unit wants another. */
function isWish(path: string): boolean {
  return /\.(?:wants|requires|upholds)\/[^/]*$/.test(path);
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Returns the names of units among paths, once each. */
export function addedUnits(paths: readonly string[]): string[] {
  const names = paths.map(lastPart);
  return [...new Set(names.filter((name) => unitName.test(name)))];
}
