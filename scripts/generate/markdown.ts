/** Returns a Markdown table; each row has as many cells as the heading. */
export function markdownTable(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(heading), `|${'---|'.repeat(heading.length)}`, ...rows.map(line)].join('\n');
}

/**
 * Replaces the part of a page between `<!-- generated: NAME -->` and `<!-- end of NAME -->`.
 * @throws Error when the page does not have both marks once, in this order.
 */
export function replacePart(page: string, name: string, content: string): string {
  const [begin, end] = [`<!-- generated: ${name} -->`, `<!-- end of ${name} -->`];
  const [before, rest, ...moreBegins] = page.split(begin);
  const [, after, ...moreEnds] = rest?.split(end) ?? [];
  if (after === undefined || moreBegins.length > 0 || moreEnds.length > 0)
    throw new Error(`the page must have '${begin}' and '${end}' once`);
  return `${before}${begin}\n\n${content}\n\n${end}${after}`;
}
