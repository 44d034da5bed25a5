/** A shorter word is the beginning of too much. */
const shortestBeginning = 3;

/**
 * Returns the candidate that a mistyped word most likely means, or the only one that begins with it. Undefined when there is
 * none.
 */
export function suggestionFor(word: string, candidates: readonly string[]): string | undefined {
  let best: { readonly candidate: string; readonly distance: number } | undefined;
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate);
    const isNear = distance <= 3 && distance / Math.max(word.length, candidate.length) < 0.5;
    if (isNear && (best === undefined || distance < best.distance)) best = { candidate, distance };
  }
  if (best !== undefined) return best.candidate;
  const [beginning, ...others] = candidates.filter((candidate) => candidate.startsWith(word));
  return word.length >= shortestBeginning && others.length === 0 ? beginning : undefined;
}

/**
 * Counts the insertions, deletions, substitutions and swaps of neighbours that turn one word into the other (optimal
 * string alignment, https://en.wikipedia.org/wiki/Damerau–Levenshtein_distance).
 */
function editDistance(from: string, to: string): number {
  let previous: number[] = [];
  let current = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const next = [row];
    for (let column = 1; column <= to.length; column++) {
      const substitution = from[row - 1] === to[column - 1] ? 0 : 1;
      const isSwap = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      next[column] = Math.min(
        (current[column] ?? 0) + 1,
        (next[column - 1] ?? 0) + 1,
        (current[column - 1] ?? 0) + substitution,
        isSwap ? (previous[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    [previous, current] = [current, next];
  }
  return current[to.length] ?? 0;
}
