import { z } from 'zod';
import type { Slot } from '../disk/layout.ts';
import type { Probe } from './guest-probe.ts';

/** The slot that runs, as the initrd found it out. */
export const slot: Probe<Slot> = {
  name: 'slot',
  command: 'cat /run/holdfast/slot',
  form: z.enum(['A', 'B']),
};
