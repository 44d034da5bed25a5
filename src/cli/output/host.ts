import * as z from 'zod';
import { shells } from '../framework/completion-script.ts';

export const doctorOutput = z.strictObject({
  ready: z.boolean().describe('Whether machines can run on this host'),
  checks: z.array(
    z.strictObject({
      name: z.string(),
      verdict: z.enum(['ok', 'warning', 'missing']),
      found: z.string(),
      remedy: z.string().optional().describe('How to fix it; absent if the verdict is ok'),
    }),
  ),
});

export const completionOutput = z.strictObject({ shell: z.enum(shells), script: z.string() });
