import { failure } from '../base/errors.ts';
import { bounds } from '../channel/bounds.ts';

/** Number of fields of each record of a listing, after its word. */
const records = { overlay: 2, lower: 7, upper: 7, device: 2, opaque: 1, same: 1, reset: 1, end: 0 } as const;

/** A record of the listing: a word and its fields, one character a byte. */
export interface GuestRecord {
  readonly word: keyof typeof records;
  readonly fields: readonly string[];
}

/**
 * Reads the records of a listing, each a word and its fields, ended by NUL, one by one: in time and memory of their length.
 * @throws RangeError unless it is complete and well-formed; HoldfastError `drift.large`.
 */
export function* readRecords(output: Buffer): Generator<GuestRecord> {
  let at = 0;
  const next = (): string => {
    const end = output.indexOf(0, at);
    if (end < 0) throw new RangeError('it is truncated');
    if (end - at > bounds.driftField.bytes) throw new RangeError('it has an endless field');
    const field = output.toString('latin1', at, end);
    at = end + 1;
    return field;
  };
  for (let count = 0; ; count++) {
    if (count > bounds.drift.count) throw tooLarge(`it has more than ${bounds.drift.count} records`);
    const word = next();
    if (!isRecordName(word)) throw new RangeError(`unexpected ${JSON.stringify(word.slice(0, 100))}`);
    yield { word, fields: Array.from({ length: records[word] }, next) };
    if (word !== 'end') continue;
    if (at !== output.length) throw new RangeError('it goes on after its end');
    return;
  }
}

function isRecordName(word: string): word is keyof typeof records {
  return Object.hasOwn(records, word);
}

/** Returns the error of a listing that is longer than any overlay that can be compared. */
export function tooLarge(why: string) {
  return failure('drift.large', 'cannot compare the machine with its release: too much has changed', {
    why,
    next: 'compare one directory, such as `holdfast drift /etc`; keep large trees of files in /var, and update with --accept-drift; `holdfast drift --reset` of a machine that is off lists nothing',
  });
}
