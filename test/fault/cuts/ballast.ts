import { createCipheriv } from 'node:crypto';
import { MiB } from '../../../src/base/size.ts';

/** A file that makes a release differ from the others by so much that writing it to a slot takes a while. */
export const ballast = {
  path: '/usr/share/holdfast/ballast',
  /** The same incompressible bytes each time. */
  content(): Buffer {
    const cipher = createCipheriv('aes-256-ctr', Buffer.alloc(32), Buffer.alloc(16));
    return cipher.update(Buffer.alloc(32 * MiB));
  },
} as const;
