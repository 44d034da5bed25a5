import { createCipheriv } from 'node:crypto';
import { MiB } from '../../../src/base/size.ts';

/** A file that makes a release differ from the others by so much that writing it into a slot takes a while. */
export const ballast = {
  path: '/usr/share/holdfast/ballast',
  /** The same bytes each time, which nothing compresses. */
  content(): Buffer {
    const cipher = createCipheriv('aes-256-ctr', Buffer.alloc(32), Buffer.alloc(16));
    return cipher.update(Buffer.alloc(32 * MiB));
  },
} as const;
