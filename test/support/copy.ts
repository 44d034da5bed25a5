import { silent } from '../../src/base/progress.ts';
import type { CopyOptions } from '../../src/channel/copy-options.ts';

/** What `holdfast copy` without flags does. */
export const copyDefaults: CopyOptions = {
  progress: silent,
  signal: new AbortController().signal,
  links: 'inside',
  follow: false,
  attributes: false,
  ownership: { owner: undefined, mode: undefined },
};
