import { errorCodes } from '../../src/base/error-codes.ts';
import { markdownTable } from './markdown.ts';

/** The page of all error codes. */
export const errorsPage = { path: 'docs/reference/errors.md', make: errorReference };

function errorReference(): string {
  const codes = Object.entries(errorCodes).sort(([a], [b]) => (a < b ? -1 : 1));
  const areas = Map.groupBy(codes, ([code]) => areaOf(code));
  const parts = [...areas].map(([area, members]) => {
    const rows = members.map(([code, { when, remedy }]) => [`\`${code}\``, when, remedy]);
    return [`## ${area}`, markdownTable(['code', 'when', 'remedy'], rows)].join('\n\n');
  });
  return `${[
    '<!-- Generated from src/base/error-codes.ts by `npm run generate`. Do not edit. -->',
    '# Errors',
    [
      'An error has a code that does not change between versions; scripts compare this code and nothing else.',
      'With `--json` a command that fails prints the code with the text ([JSON output](json/README.md)).',
      'Without it the text alone is printed: what failed, why, and what to do.',
      'The exit code is 2 if the command line or a setting is wrong, and 1 for any other error.',
    ].join('\n'),
    ...parts,
  ].join('\n\n')}\n`;
}

/** Returns the area of a code; a code without a point, such as `internal`, is its own area. */
function areaOf(code: string): string {
  return code.split('.', 1)[0] ?? code;
}
