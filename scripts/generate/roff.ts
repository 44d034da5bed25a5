/** Escapes text for man(7), GNU roff and mandoc alike: see man(7) of mandoc and groff_char(7). */
export function escapeRoff(text: string): string {
  const special: Readonly<Record<string, string>> = {
    '\\': '\\e',
    "'": '\\(aq',
    '`': '\\(ga',
    '-': '\\-',
    '^': '\\(ha',
    '~': '\\(ti',
  };
  return text
    .replace(/[\\'`^~-]/g, (character) => special[character] ?? character)
    .replace(
      /\P{ASCII}/gu,
      (character) => `\\[u${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}]`,
    )
    .replace(/^\./gm, '\\&.');
}

/** Formats prose: text in backquotes becomes bold, and each sentence begins a line. */
export function prose(text: string): string {
  return text
    .split(/(`[^`]+`)/)
    .map((part) =>
      part.startsWith('`') && part.endsWith('`') && part.length > 1
        ? `\\fB${escapeRoff(part.slice(1, -1))}\\fR`
        : escapeRoff(part).replace(/([.?]) (?=[A-Z])/g, '$1\n'),
    )
    .join('');
}

/** Formats a reference such as `holdfast(1)`: bold except for the section. */
export function pageReference(page: string): string {
  return `\\fB${escapeRoff(page)}\\fR(1)`;
}

/** Returns a section; nothing when it has no content. */
export function section(title: string, content: readonly string[]): string[] {
  const lines = content[0] === '.PP' ? content.slice(1) : content; // a heading begins a paragraph
  return lines.length === 0 ? [] : [`.SH ${title}`, ...lines];
}

/** Returns a list of terms, already formatted, and their meaning in prose. */
export function termList(rows: readonly (readonly [term: string, meaning: string])[]): string[] {
  return rows.flatMap(([term, meaning]) => ['.TP', term, prose(meaning)]);
}

/** Returns command lines, each after its description. */
export function exampleList(examples: readonly (readonly [line: string, does: string])[]): string[] {
  return examples.flatMap(([line, does]) => [
    '.PP',
    `${prose(does)}:`,
    '.PP',
    '.RS 4',
    '.EX',
    escapeRoff(line),
    '.EE',
    '.RE',
  ]);
}

/** Formats a flag such as `--cpus N`: literal text in bold, placeholders in italics. */
export function flagTerm(usage: string): string {
  return usage
    .split(/([ ,]+)/)
    .map((word) => {
      if (/^[ ,]*$/.test(word)) return word;
      return `${word.startsWith('-') ? '\\fB' : '\\fI'}${escapeRoff(word)}\\fR`;
    })
    .join('');
}
