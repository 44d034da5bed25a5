import { ArchiveError, type EntryKind, type TarEntry } from '../tar/entry.ts';
import { archiveLimits } from '../tar/limits.ts';
import { shownPath } from './copy-paths.ts';

/** The name of the copied item in the archive that `TreeFilter` makes. */
export const itemName = 'item';

/** What is not copied, and why. */
export type SkippedKind = 'link' | 'device' | 'pipe' | 'socket';

export interface SkippedItem {
  /** As printed; bytes that are not printable are escaped. */
  readonly path: string;
  readonly kind: SkippedKind;
}

export interface FilterRules {
  /** Name of the item in the archive; `.` for the content of a directory. */
  readonly name: string;
  /** `inside`: links that lead out of the item are skipped. */
  readonly links: 'all' | 'inside';
  readonly attributes: boolean;
  /** Of files, instead of their own; a directory also gets `x` wherever it gets `r`. */
  readonly mode: number | undefined;
}

/** Items that are named; the others are counted. */
const namedItems = 1000;

/** Attributes that any owner of a file may set: capabilities, labels and access lists do not leave their system. */
const attributeNames = /^user\.[^\0]{1,250}$/;

const skippedKinds: Readonly<Partial<Record<EntryKind, SkippedKind>>> = {
  pipe: 'pipe',
  'block-device': 'device',
  'character-device': 'device',
};

interface OpenLevel {
  readonly name: string;
  readonly names: Set<string>;
  bytes: number;
}

/**
 * Reduces an archive to one tree of files, directories and links, below `itemName`. Its entries must come as GNU tar
 * writes them: each directory before its content, which follows without interruption. So an entry below a file or link,
 * a second entry of one name and a name that climbs are errors, and only the names of open directories are remembered.
 * Links come last, so that nothing is ever unpacked through one.
 */
export class TreeFilter {
  readonly skipped: SkippedItem[] = [];
  skippedCount = 0;
  /** Whether the item itself was skipped. */
  isItemSkipped = false;
  readonly #rules: FilterRules;
  readonly #root: string;
  #hasRoot = false;
  /** The directories that the last entry is in. */
  readonly #open: OpenLevel[] = [];
  readonly #links = new Map<string, TarEntry>();
  readonly #skippedPaths = new Map<string, SkippedKind>();
  #remembered = 0;

  constructor(rules: FilterRules) {
    this.#rules = rules;
    this.#root = Buffer.from(rules.name).toString('latin1');
  }

  /** Whether the archive had the item. */
  get hasItem(): boolean {
    return this.#hasRoot;
  }

  /** Returns the entry to write now; undefined for one that is skipped or comes later. @throws ArchiveError. */
  accept(entry: TarEntry): TarEntry | undefined {
    const names = this.#namesOf(entry.path);
    this.#enter(names, entry);
    const path = [itemName, ...names].join('/');
    const skippedKind = skippedKinds[entry.kind];
    if (skippedKind) return this.#skip(names, path, skippedKind);
    if (entry.kind === 'link') return this.#later(names, path, entry);
    if (entry.kind !== 'hard-link') return this.#cleaned(entry, path, '');
    const target = [itemName, ...this.#namesOf(entry.target)].join('/');
    const link = this.#links.get(target);
    if (link) return this.#later(names, path, link);
    const skippedTarget = this.#skippedPaths.get(target);
    return skippedTarget ? this.#skip(names, path, skippedTarget) : this.#cleaned(entry, path, target);
  }

  /** The links, after all other entries. */
  links(): Iterable<TarEntry> {
    return this.#links.values();
  }

  /** Adds an item that the archive does not have, such as a socket, of which tar only prints the name. */
  addSkipped(path: string, kind: SkippedKind): void {
    this.skippedCount++;
    if (this.skipped.length < namedItems) this.skipped.push({ path, kind });
  }

  /** Returns the names below the root. */
  #namesOf(path: string): string[] {
    const [root, ...names] = path.split('/');
    if (root !== this.#root) throw new ArchiveError(`it has ${shownPath(path)}, which was not requested`);
    if (names.length > archiveLimits.depth)
      throw new ArchiveError(`it has more than ${archiveLimits.depth} directories in each other`);
    for (const name of names)
      if (name === '' || name === '.' || name === '..' || name.length > archiveLimits.nameBytes)
        throw new ArchiveError(`it has the invalid path ${shownPath(path)}`);
    return names;
  }

  /** Checks that the entry is new, and in a directory that is open. */
  #enter(names: readonly string[], { path, kind }: TarEntry): void {
    const parents = names.slice(0, -1);
    const name = names.at(-1);
    if (
      name === undefined ? this.#hasRoot : parents.some((parent, at) => this.#open[at + 1]?.name !== parent)
    )
      throw new ArchiveError(`it has ${shownPath(path)} twice, or out of order`);
    for (const { bytes } of this.#open.splice(names.length)) this.#remembered -= bytes;
    const level = this.#open[names.length - 1];
    if (name === undefined) this.#hasRoot = true;
    else if (!level) throw new ArchiveError(`it has ${shownPath(path)} below something that is no directory`);
    else if (level.names.has(name)) throw new ArchiveError(`it has ${shownPath(path)} twice`);
    else {
      level.names.add(name);
      level.bytes += name.length;
      this.#remember(name.length);
    }
    if (kind === 'directory') this.#open.push({ name: name ?? '', names: new Set(), bytes: 0 });
  }

  #remember(bytes: number): void {
    this.#remembered += bytes;
    if (this.#remembered > archiveLimits.rememberedBytes) throw new ArchiveError('its names are too long');
  }

  #skip(names: readonly string[], path: string, kind: SkippedKind): undefined {
    this.#remember(path.length);
    this.#skippedPaths.set(path, kind);
    if (names.length === 0) this.isItemSkipped = true;
    this.addSkipped(shownPath(names.length === 0 ? this.#root : names.join('/')), kind);
  }

  #later(names: readonly string[], path: string, link: TarEntry): undefined {
    if (this.#rules.links === 'inside' && !staysInside(link.target, names.length - 1))
      return this.#skip(names, path, 'link');
    this.#remember(path.length + link.target.length);
    this.#links.set(path, { ...link, path, attributes: [] });
  }

  #modeOf({ kind, mode }: TarEntry): number {
    const given = this.#rules.mode;
    if (given === undefined) return mode & 0o777; // neither set-user-id nor sticky
    return kind === 'directory' ? given | ((given & 0o444) >> 2) : given;
  }

  #cleaned(entry: TarEntry, path: string, target: string): TarEntry {
    const attributes = this.#rules.attributes ? entry.attributes : [];
    return {
      ...entry,
      path,
      target,
      mode: this.#modeOf(entry),
      attributes: attributes.filter(([name]) => attributeNames.test(name)),
    };
  }
}

/**
 * Returns whether a link cannot lead out of the copied tree: its target is relative, and climbs at most to the top, with
 * all its `..` at the beginning. After a name, `..` could climb from where another link leads.
 * @param depth directories of the tree that the link is in, without the top; -1 if the link is the item itself.
 */
function staysInside(target: string, depth: number): boolean {
  const parts = target.split('/').filter((part, at) => part !== '.' && (part !== '' || at === 0));
  if (parts[0] === '') return false; // absolute, or empty
  const climbs = parts.findIndex((part) => part !== '..');
  const ups = climbs < 0 ? parts.length : climbs;
  return ups <= Math.max(depth, 0) && !parts.slice(ups).includes('..');
}
