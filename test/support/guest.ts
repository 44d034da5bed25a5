import type { Guest } from '../../src/channel/guest.ts';

/** A guest whose commands `run` answers. */
export function guestThat(run: Guest['run']): Guest {
  return { run, start: () => Promise.reject(new Error('start was not expected')) };
}
