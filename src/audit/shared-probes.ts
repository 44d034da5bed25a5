import { z } from 'zod';
import type { Slot, Verity } from '../disk/layout.ts';
import type { Probe } from './guest-probe.ts';

/** The slot that runs, as the initrd found it out. */
export const slot: Probe<Slot> = {
  name: 'slot',
  command: 'cat /run/holdfast/slot',
  form: z.enum(['A', 'B']),
};

/** In bash: whether the boot image that runs is the one without verity. Its command line is signed. */
export const isUnverified = '[[ " $(</proc/cmdline) " = *" holdfast.verity=off "* ]]';

/** Which of the release's two boot images runs. */
export const bootedVerity: Probe<Verity> = {
  name: 'booted-verity',
  command: `if ${isUnverified}; then echo off; else echo on; fi`,
  form: z.enum(['on', 'off']),
};
