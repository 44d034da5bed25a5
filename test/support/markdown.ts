/** A Markdown file, without its code. */
export interface MarkdownPage {
  /** Lines outside code blocks, with the content of code spans removed; others are empty. */
  readonly lines: readonly string[];
  /** Targets of links and images. */
  readonly targets: readonly string[];
  /** Content of code spans. */
  readonly codeSpans: readonly string[];
  /** Anchors of the headings, as GitHub makes them. */
  readonly anchors: ReadonlySet<string>;
}

/** Reads the parts of Markdown that the project's pages use: headings, links, code blocks and code spans. */
export function parseMarkdown(text: string): MarkdownPage {
  const lines: string[] = [];
  const codeSpans: string[] = [];
  const anchors = new Set<string>();
  let inCode = false;
  for (const line of text.split('\n')) {
    const isFence = line.trimStart().startsWith('```');
    const isProse = !inCode && !isFence;
    if (isFence) inCode = !inCode;
    const heading = isProse ? /^#+ (.*)$/.exec(line)?.[1] : undefined;
    if (heading !== undefined) anchors.add(unused(anchorOf(heading), anchors));
    const spans = isProse ? [...line.matchAll(/(`+)(.*?)\1/g)] : [];
    codeSpans.push(...spans.map(([, , code = '']) => code));
    lines.push(isProse ? line.replace(/(`+).*?\1/g, '``') : '');
  }
  const targets = [...lines.join('\n').matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return { lines, targets, codeSpans, anchors };
}

function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
}

function unused(anchor: string, anchors: ReadonlySet<string>): string {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? anchor : `${anchor}-${number - 1}`;
    if (!anchors.has(candidate)) return candidate;
  }
}

/** Returns the numbers, from 1, of lines with two sentences, and of lines whose sentence continues in the next. */
export function misplacedSentences(lines: readonly string[]): number[] {
  const isText = (line = '') => /\S/.test(line) && !/^\s*(?:\||#|<|!\[|```)/.test(line);
  const startsItem = (line = '') => /^\s*(?:[-*]|\d+\.) /.test(line);
  return lines.flatMap((line, index) => {
    if (!isText(line)) return [];
    const following = lines[index + 1];
    const goesOn = isText(following) && !startsItem(following) && !/[.:;!?\\>)*]$/.test(line.trimEnd());
    const text = line.replace(/^\s*(?:[-*]|\d+\.) (?:\[[ x]\] )?/, '');
    const holdsTwo = /[\p{Ll}\p{N})`][.!?] (?=[\p{Lu}`])/u.test(text);
    return goesOn || holdsTwo ? [index + 1] : [];
  });
}
