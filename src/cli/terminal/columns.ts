/** A longer cell is not aligned: one long path must not pad every line. */
const widest = 100;

/** Formats a table: every column is as wide as its widest cell, up to a limit. */
export function columns(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title) => title.length);
  for (const row of rows)
    for (const [column, { length }] of row.entries())
      if (length <= widest) widths[column] = Math.max(widths[column] ?? 0, length);
  return [header, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
