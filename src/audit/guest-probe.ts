import * as z from 'zod';
import { describe, failure } from '../base/errors.ts';
import { bounds } from '../channel/bounds.ts';
import { printable } from '../channel/run.ts';

/** One observation in the guest. */
export interface Probe<T> {
  /** Unique among all probes: claims may share one. */
  readonly name: string;
  /** Lines of bash, run as root, with programs of the verified root only. Changes are undone. */
  readonly command: string;
  /** Form of the output without the last newline. Any other output is invalid. */
  readonly form: z.ZodType<T, string>;
}

/** Output and exit code of a probe. */
export interface GuestAnswer {
  readonly code: number;
  readonly text: string;
}

/** Answers by the name of the probe, without probes whose answer was truncated or garbled. */
export type GuestAnswers = ReadonlyMap<string, GuestAnswer>;

/**
 * Returns one script that runs every probe, each in a shell of its own. Each answer is between two lines with
 * `mark`; an answer that is too long loses its last line, which makes it invalid.
 * @param mark an unpredictable word, so that no answer can contain another.
 */
export function probeScript(probes: readonly Probe<unknown>[], mark: string): string {
  const sections = [...new Map(probes.map((probe) => [probe.name, probe])).values()].map(
    ({ name, command }) =>
      `{ printf '%s\\n' '${mark} begin ${name}'; (\n${command}\n) 2>&1 </dev/null; ` +
      `printf '\\n${mark} end ${name} %d\\n' "$?"; } | head -c ${bounds.auditAnswer.bytes}; echo`,
  );
  return ['export PATH=/usr/sbin:/usr/bin LC_ALL=C', ...sections].join('\n');
}

/**
 * Returns the answers in the script's output. Text outside the marks is dropped. Reads each line once: the guest knows the mark, and
 * may print any number of beginnings without an end.
 */
export function parseAnswers(output: string, mark: string): GuestAnswers {
  const marked = new RegExp(`^${mark} (?:begin ([a-z0-9-]+)|end ([a-z0-9-]+) (\\d{1,3}))\n?$`);
  const answers = new Map<string, GuestAnswer>();
  const repeated = new Set<string>();
  let open: { readonly name: string; readonly from: number } | undefined;
  for (let at = 0; at < output.length; ) {
    const newline = output.indexOf('\n', at);
    const next = newline < 0 ? output.length : newline + 1;
    const line = output.startsWith(mark, at) ? output.slice(at, Math.min(next, at + 200)) : '';
    const [, begins, ends, code] = marked.exec(line) ?? [];
    // a beginning within an answer replaces it: an answer that is too long has no end
    if (begins !== undefined) open = { name: begins, from: next };
    else if (ends !== undefined && ends === open?.name) {
      if (answers.has(ends)) repeated.add(ends);
      const text = output.slice(open.from, Math.max(open.from, at - 1)).replace(/\n$/, '');
      answers.set(ends, { code: Number(code), text });
      open = undefined;
    }
    at = next;
  }
  for (const name of repeated) answers.delete(name); // it is unknown which one is true
  return answers;
}

/** @throws HoldfastError `audit.probe` unless the probe answered, ended well, and in its form. */
export function readAnswer<T>({ name, form }: Probe<T>, answers: GuestAnswers): T {
  const answer = answers.get(name);
  if (answer === undefined) throw unreadable(name, 'it gave no answer');
  if (answer.code !== 0)
    throw unreadable(name, `it ended with ${answer.code}: ${printable(answer.text.slice(-200))}`);
  const parsed = form.safeParse(answer.text);
  if (parsed.success) return parsed.data;
  throw unreadable(name, printable(describe(parsed.error)));
}

function unreadable(name: string, why: string) {
  return failure('audit.probe', `cannot read the guest's answer to '${name}'`, { why });
}

/** Returns a form that maps the groups of `pattern`, which must match all of the text. */
export function matching<T>(pattern: RegExp, make: (groups: readonly string[]) => T): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    const match = pattern.exec(text);
    if (match) return make(match.slice(1).map((group) => group ?? ''));
    context.addIssue({ code: 'custom', message: `unexpected ${JSON.stringify(text.slice(0, 120))}` });
    return z.NEVER;
  });
}

/** Returns a form that `parse` reads; its SyntaxError, RangeError and ZodError reject the text. */
export function textForm<T>(parse: (text: string) => T): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    try {
      return parse(text);
    } catch (error) {
      const isExpected =
        error instanceof SyntaxError || error instanceof RangeError || error instanceof z.ZodError;
      if (!isExpected) throw error;
      context.addIssue({ code: 'custom', message: describe(error) });
      return z.NEVER;
    }
  });
}

/** Returns the form of any number of lines, each of the form `line`. */
export function lines<T>(line: z.ZodType<T, string>): z.ZodType<T[], string> {
  return z
    .string()
    .transform((text) => (text === '' ? [] : text.split('\n')))
    .pipe(z.array(line));
}
