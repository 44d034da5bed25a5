import * as z from 'zod';
import { type ErrorCode, errorCodes } from '../../base/error-codes.ts';

const helpRows = z.array(
  z.strictObject({ usage: z.string().describe('As it is typed'), summary: z.string() }),
);

/** The output of `holdfast help` and of `--help` with `--json`. */
export const helpOutput = z.strictObject({
  name: z.string().describe('The command; empty for the help of all commands'),
  summary: z.string(),
  description: z.string().optional().describe('Paragraphs of text'),
  usage: z.array(z.string()).describe('Command lines, with placeholders'),
  arguments: helpRows,
  flags: helpRows,
  commands: helpRows.describe('Commands, or subcommands of a group'),
  examples: helpRows,
});

/** The output of `holdfast --version` with `--json`. */
export const versionOutput = z.strictObject({ version: z.string().describe('Version of Holdfast') });

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
