/** A function in a source, by its lines. */
export interface FunctionLines {
  /** Of its first line, from 1. */
  readonly line: number;
  /** From the first line of its signature to the last of its body. */
  readonly length: number;
}

/** How a signature of one line, or the last line of a longer one, ends. */
const signatures = [
  /\bfunction\b.*\{$/,
  /=>(?:.*[{([])?$/,
  /^ +(?:(?:private|static|async|get|set) )*\*?(?!(?:if|for|while|switch|catch|with)\b)[#\w]+(?:<.*>)?\(.*\{$/,
  /^ *\)(?:: .*)? (?:\{|=>.*)$/,
];
/** A statement of more than one line that ends as a signature does. */
const statement = /^ *(?:\} else )?(?:if|for|while|switch|with) /;

/** Finds the functions of more than one line in a source that the formatter has indented. */
export function functionsIn(source: readonly string[]): readonly FunctionLines[] {
  const lines = withoutTemplates(source);
  return lines.flatMap((line, index) => {
    if (!signatures.some((signature) => signature.test(line))) return [];
    const depth = indentation(line);
    const isLong = /^ *\)(?:: .*)? (?:\{|=>)/.test(line);
    const first = isLong
      ? lines.findLastIndex((each, at) => at < index && indentation(each) <= depth)
      : index;
    if (statement.test(lines[first] ?? '')) return [];
    const ends = (at: number) => lines.findIndex((each, end) => end > at && indentation(each) <= depth);
    let after = ends(index);
    while (/^ *[})].*[{(]$/.test(lines[after] ?? '')) after = ends(after);
    const last = /^ *[})\]]/.test(lines[after] ?? '') ? after : after - 1;
    return [{ line: first + 1, length: last - first + 1 }];
  });
}

/** Comments, strings, regular expressions and escaped characters. */
const noTemplate =
  /^ *(?:\*|\/[/*]).*|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|(?<=[(=,] ?)\/(?:\\.|[^/\\])+\/|\\./g;

/** Empties the lines within a template: they have an indentation of their own. */
function withoutTemplates(source: readonly string[]): readonly string[] {
  let isWithin = false;
  return source.map((line) => {
    const wasWithin = isWithin;
    const ticks = line.replace(noTemplate, '').match(/`/g) ?? [];
    if (ticks.length % 2 === 1) isWithin = !isWithin;
    return wasWithin ? '' : line;
  });
}

/** Returns the indentation; an empty line belongs to the lines around it. */
function indentation(line: string): number {
  return line === '' ? Number.POSITIVE_INFINITY : line.search(/[^ ]|$/);
}
