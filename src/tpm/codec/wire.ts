/** The bytes ended before the structure did. */
export class Truncated extends Error {
  override readonly name = 'Truncated';
}

/** Reads numbers and sized buffers, big-endian: TCG TPM 2.0 Library Part 1, section "Byte ordering". */
export class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.take(1).readUInt8();
  }

  u16(): number {
    return this.take(2).readUInt16BE();
  }

  u32(): number {
    return this.take(4).readUInt32BE();
  }

  /** Returns this many bytes, without copying them. @throws Truncated. */
  take(length: number): Buffer {
    if (length > this.left) throw new Truncated(`${length} bytes are needed and ${this.left} are left`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Reads a TPM2B: two bytes with the size, then the bytes. */
  sized(): Buffer {
    return this.take(this.u16());
  }

  rest(): Buffer {
    return this.take(this.left);
  }
}

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Returns a TPM2B of these bytes. */
export function sized(...parts: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat(parts);
  return Buffer.concat([u16(bytes.length), bytes]);
}
