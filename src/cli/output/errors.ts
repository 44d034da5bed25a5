import { z } from 'zod';
import { type ErrorCode, errorCodes } from '../../base/error-codes.ts';

/** The output of a failed command on standard error with `--json`. */
export const errorsOutput = z.strictObject({
  errors: z
    .array(
      z.strictObject({
        code: z
          .enum(Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]])
          .describe('Stable; docs/reference/errors.md lists all'),
        message: z.string().min(1).describe('What failed'),
        why: z.string().optional().describe('Why'),
        next: z.string().optional().describe('What to do'),
      }),
    )
    .min(1)
    .describe('At least one; several values of a command line can be wrong at once'),
});
