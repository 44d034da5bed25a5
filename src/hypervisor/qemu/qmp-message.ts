import * as z from 'zod';
import { failure } from '../../base/errors.ts';
import { bounds } from '../../channel/bounds.ts';

/** Greeting and responses have a few kilobytes. A longer line does not come from our QEMU. */
const longestLine = bounds.qmpMessage.bytes;

/** QEMU's messages: QEMU Machine Protocol Specification, sections "Server Greeting", "Command Responses", "Asynchronous events". */
export type QmpMessage =
  | { readonly kind: 'greeting'; readonly version: string }
  | { readonly kind: 'return'; readonly id: number; readonly value: unknown }
  | {
      readonly kind: 'error';
      readonly id: number | undefined;
      readonly class: string;
      readonly reason: string;
    }
  | { readonly kind: 'event'; readonly name: string; readonly data: unknown };

const number = z.int().nonnegative();
const message = z.union([
  z
    .object({
      QMP: z.object({
        version: z.object({ qemu: z.object({ major: number, minor: number, micro: number }) }),
      }),
    })
    .transform(({ QMP: { version } }): QmpMessage => {
      const { major, minor, micro } = version.qemu;
      return { kind: 'greeting', version: `${major}.${minor}.${micro}` };
    }),
  z
    .object({ return: z.unknown().nonoptional(), id: number })
    .transform((answer): QmpMessage => ({ kind: 'return', id: answer.id, value: answer.return })),
  z
    .object({ error: z.object({ class: z.string(), desc: z.string() }), id: number.optional() })
    .transform(
      ({ error, id }): QmpMessage => ({ kind: 'error', id, class: error.class, reason: error.desc }),
    ),
  z
    .object({ event: z.string(), data: z.unknown().optional() })
    .transform(({ event, data }): QmpMessage => ({ kind: 'event', name: event, data })),
]);

/** @throws HoldfastError `qmp.malformed`. */
export function parseMessage(line: string): QmpMessage {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw malformed('it is not JSON', error);
  }
  const parsed = message.safeParse(value);
  if (!parsed.success) throw malformed('it is neither greeting, answer nor event', parsed.error);
  return parsed.data;
}

/** Splits a stream of bytes into lines. Buffers at most one incomplete line, of limited length. */
export class LineSplitter {
  #rest = Buffer.alloc(0);

  /** @throws HoldfastError `qmp.malformed` when a line exceeds the limit. */
  push(chunk: Buffer): readonly string[] {
    const data = Buffer.concat([this.#rest, chunk]);
    const end = data.lastIndexOf('\n') + 1;
    this.#rest = data.subarray(end);
    if (this.#rest.length > longestLine) throw malformed(`a line has more than ${longestLine} bytes`);
    return data
      .toString('utf8', 0, end)
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  }
}

function malformed(why: string, cause?: unknown) {
  return failure('qmp.malformed', "cannot read a message on QEMU's control socket", { why, cause });
}
