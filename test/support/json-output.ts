import assert from 'node:assert/strict';
import type { ZodType } from 'zod';
import { errorsOutput, helpOutput, versionOutput } from '../../src/cli/output/errors.ts';
import { understand } from '../../src/cli/program.ts';

/** The output of a run of `holdfast`. */
interface Printed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** These pass on the output of the guest, and its exit code. */
const passesOn = /^(?:exec|shell|logs)$/;

/**
 * Checks each line of JSON that a run with `--json` printed against the type that its command declares: more keys than
 * declared fail, too. A run without `--json` passes.
 * @param words the command line.
 */
export async function checkJsonOutput(
  words: readonly string[],
  { code, stdout, stderr }: Printed,
): Promise<void> {
  let isJson = false;
  const understood = await understand(words, ({ json }) => {
    isJson = json === true;
  }).catch(() => undefined); // a wrong command line: an error, and nothing else
  if (!isJson) return;
  const line = `holdfast ${words.join(' ')}`;
  if (understood && 'text' in understood) {
    checkLine('version' in understood.json ? versionOutput : helpOutput, stdout, line);
    return;
  }
  const type = await understood?.command.output();
  if (!type) assert.equal(stdout, '', line);
  else for (const each of stdout.split('\n').filter((text) => text !== '')) checkLine(type, each, line);
  const reported = stderr.split('\n').filter((each) => each.startsWith('{"errors":'));
  for (const each of reported) checkLine(errorsOutput, each, line);
  const isOurs = !words.some((word) => passesOn.test(word));
  if (isOurs && code === 2) assert.equal(reported.length, 1, `${line} failed without an error: ${stderr}`);
}

function checkLine(type: ZodType, text: string, line: string): void {
  const { error } = type.safeParse(JSON.parse(text));
  assert.equal(error, undefined, `${line} printed ${text}, which is not as declared: ${error?.message}`);
}
