import { failure } from '../../base/errors.ts';
import { headerLength, longestMessage } from './message.ts';

/** Reassembles a TPM's response. Never buffers more than one. */
export class Pieces {
  readonly #path: string;
  #held: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.#path = path;
  }

  /** Returns the response once it is complete. @throws HoldfastError `tpm.malformed`. */
  add(piece: Buffer): Buffer | undefined {
    this.#held = Buffer.concat([this.#held, piece]);
    if (this.#held.length < headerLength) return undefined;
    const size = this.#held.readUInt32BE(2);
    if (size < headerLength || size > longestMessage || this.#held.length > size) {
      throw failure('tpm.malformed', `cannot read a response of ${this.#path}`, {
        why: `the response states a size of ${size} bytes`,
        next: 'check that the path is that of a TPM 2.0',
      });
    }
    return this.#held.length === size ? this.#held : undefined;
  }
}
