/*
 * Text of a guest, a file or a program on a terminal. Control characters (C0, DEL, C1 in UTF-8), format characters that reorder or
 * hide text (bidirectional controls, tags), line separators and what is no character act on a terminal, or deceive its reader.
 */

/** U+FFFD: what is removed stays visible. */
const mark = '\u{fffd}';

const unsafe = /[\p{C}\p{Zl}\p{Zp}]/gu;
const unsafeInLines = /[^\P{C}\n\t]|[\p{Zl}\p{Zp}]/gu;

/** Returns text for one line of a terminal. Each unsafe character becomes U+FFFD. */
export function oneLine(text: string): string {
  return text.replace(unsafe, mark);
}

/** Returns text of several lines for a terminal: newlines and tabs stay. */
export function visibleLines(text: string): string {
  return text.replace(unsafeInLines, mark);
}

/** Returns JSON of the same value, with escapes for what `JSON.stringify` leaves as it is. */
export function visibleJson(json: string): string {
  return json.replace(unsafe, (character) =>
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control sequences
const colours = /(\x1b\[(?:[0-2]|22|3[1-9]|9[0-7])m)/;

/** Returns text of several lines for a terminal, in which the colours of `styleText` stay too. */
export function visibleColours(text: string): string {
  return text
    .split(colours)
    .map((part, index) => (index % 2 === 1 ? part : visibleLines(part)))
    .join('');
}
