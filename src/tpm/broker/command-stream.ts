import { headerLength, longestMessage } from '../codec/message.ts';

/** A message, or the mark that the stream can no longer be split into messages. */
export type Piece = { readonly message: Buffer } | { readonly lost: string };

/**
 * Splits a stream of bytes into commands by the sizes in their headers. Buffers at most one command and one piece.
 */
export class CommandStream {
  #held: Buffer = Buffer.alloc(0);
  #lost = false;

  /** Yields the commands that these bytes complete. Yields nothing more after an invalid size. */
  *cut(bytes: Buffer): Generator<Piece> {
    if (this.#lost) return;
    this.#held = Buffer.concat([this.#held, bytes]);
    while (this.#held.length >= headerLength) {
      const size = this.#held.readUInt32BE(2);
      if (size < headerLength || size > longestMessage) {
        this.#lost = true;
        this.#held = Buffer.alloc(0);
        yield { lost: `a command states a size of ${size} bytes` };
        return;
      }
      if (this.#held.length < size) return;
      const message = this.#held.subarray(0, size);
      this.#held = this.#held.subarray(size);
      yield { message };
    }
  }
}
