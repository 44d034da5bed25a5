import * as z from 'zod';
import type { Slot, Verity } from '../disk/layout.ts';
import type { Probe } from './guest-probe.ts';

/** The active slot, as the initrd determined it. */
export const slot: Probe<Slot> = {
  name: 'slot',
  command: 'cat /run/holdfast/slot',
  form: z.enum(['A', 'B']),
};

/** Bash condition: whether the running boot image is the one without verity. Its command line is signed. */
export const isUnverified = '[[ " $(</proc/cmdline) " = *" holdfast.verity=off "* ]]';

/** The running one of the release's two boot images. */
export const bootedVerity: Probe<Verity> = {
  name: 'booted-verity',
  command: `if ${isUnverified}; then echo off; else echo on; fi`,
  form: z.enum(['on', 'off']),
};
