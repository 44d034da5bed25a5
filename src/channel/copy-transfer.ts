import type { Readable, Writable } from 'node:stream';
import { failure } from '../base/errors.ts';
import type { ProgressStep } from '../base/progress.ts';
import { ArchiveReader, fillingOf } from '../tar/reader.ts';
import { encodeEntry, endMark } from '../tar/writer.ts';
import type { TreeFilter } from './copy-filter.ts';

/** A guest that neither sends nor takes a byte for this long has stopped. */
const idleMs = 5 * 60_000;
/** Smaller writes are joined: most entries are a header and a little content. */
const joinedBytes = 64 * 1024;

/** The reader of the filtered archive went away. */
export class SinkClosed extends Error {}

/**
 * Passes an archive through a filter, encoded again: what arrives is only what the filter understood.
 * @param onContent is called before content is passed on, with its size.
 * @throws ArchiveError, SinkClosed; HoldfastError `copy.stalled`; what the source does.
 */
export async function transfer(
  source: Readable,
  filter: TreeFilter,
  sink: Writable,
  onContent: (bytes: number) => void,
): Promise<void> {
  const reader = new ArchiveReader(chunksOf(source));
  const write = joinedWriter(sink);
  for (let entry = await reader.next(); entry; entry = await reader.next()) {
    const kept = filter.accept(entry);
    if (!kept) continue;
    await write(encodeEntry(kept));
    for await (const chunk of reader.content()) {
      onContent(chunk.length);
      await write(chunk);
    }
    await write(Buffer.alloc(fillingOf(kept.size)));
  }
  for (const link of filter.links()) await write(encodeEntry(link));
  await write(endMark, true);
}

/** Yields what a stream has, and limits the time that it is silent. */
async function* chunksOf(source: Readable): AsyncGenerator<Buffer> {
  const chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  for (;;) {
    const next = await withinIdle(chunks.next(), () => source.destroy());
    if (next.done) return;
    yield next.value;
  }
}

function joinedWriter(sink: Writable) {
  let waiting: Buffer[] = [];
  let size = 0;
  return async (bytes: Buffer, isLast = false) => {
    waiting.push(bytes);
    size += bytes.length;
    if (size < joinedBytes && !isLast) return;
    const all = waiting.length === 1 && waiting[0] ? waiting[0] : Buffer.concat(waiting);
    waiting = [];
    size = 0;
    if (sink.destroyed || sink.writableEnded) throw new SinkClosed();
    if (!sink.write(all)) await withinIdle(drained(sink), () => {});
  };
}

function drained(sink: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      sink.off('drain', done).off('close', closed);
      resolve();
    };
    const closed = () => {
      sink.off('drain', done).off('close', closed);
      reject(new SinkClosed());
    };
    sink.on('drain', done).on('close', closed);
    if (sink.destroyed) closed();
  });
}

/** @throws HoldfastError `copy.stalled` when the promise is not settled in time. */
export async function withinIdle<T>(promise: Promise<T>, onIdle: () => void): Promise<T> {
  const { promise: idle, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(
      failure('copy.stalled', 'the copy does not advance', {
        why: `no data could be exchanged with the guest for ${idleMs / 60_000} minutes`,
        next: 'check the machine with `holdfast status`, and copy again; the destination is unchanged',
      }),
    );
    onIdle();
  }, idleMs);
  try {
    return await Promise.race([promise, idle]);
  } finally {
    clearTimeout(timer);
  }
}

/** Returns a function that reports copied bytes to a progress step. */
export function meter(step: ProgressStep, size: Promise<number | undefined>): (bytes: number) => void {
  let done = 0;
  let total: number | undefined;
  void size.then((bytes) => {
    total = bytes;
  });
  return (bytes) => {
    done += bytes;
    step.update({
      done: Math.min(done, total ?? done),
      ...(total !== undefined && { total }),
      unit: 'bytes',
    });
  };
}
