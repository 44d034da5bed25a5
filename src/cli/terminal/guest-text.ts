import { Transform } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { failure } from '../../base/errors.ts';
import { visibleJson, visibleLines } from '../../base/visible.ts';
import { bounds } from '../../channel/bounds.ts';

/** Returns a stream that makes a guest's text safe for a terminal: see `visibleLines`. Its chunks may end anywhere. */
export function visibleText(): Transform {
  const decoder = new StringDecoder('utf8'); // never divides a character
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      done(null, visibleLines(decoder.write(chunk)));
    },
    flush(done) {
      done(null, visibleLines(decoder.end()));
    },
  });
}

/**
 * Returns a stream that passes on objects of JSON, one a line, as `journalctl --output=json` prints them. Buffers at most one line.
 * @throws through the stream: HoldfastError `guest.output` for anything else, `guest.long` for an endless line.
 */
export function jsonLines(): Transform {
  const limit = bounds.journalEntry.bytes;
  let parts: Buffer[] = [];
  let length = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      try {
        let at = 0;
        for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, at)) {
          keep(chunk.subarray(at, end));
          this.push(safeObject(Buffer.concat(parts)));
          [parts, length] = [[], 0];
          at = end + 1;
        }
        keep(chunk.subarray(at));
        done();
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    },
    flush(done) {
      // a line without its end: the guest was lost while it sent it
      done();
    },
  });

  function keep(part: Buffer): void {
    length += part.length;
    if (length > limit) {
      throw failure('guest.long', 'cannot read the journal of the guest', {
        why: `an entry has more than ${limit} bytes`,
        next: 'run `holdfast logs` without --json',
      });
    }
    if (part.length > 0) parts.push(part);
  }
}

const newline = 0x0a;

function safeObject(line: Buffer): string {
  let value: unknown;
  try {
    value = JSON.parse(line.toString('utf8'));
  } catch {
    value = undefined;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return `${visibleJson(JSON.stringify(value))}\n`;
  throw failure('guest.output', 'cannot read the journal of the guest', {
    why: 'an entry is not an object of JSON',
    next: 'run `holdfast logs` without --json, and audit the machine',
  });
}
