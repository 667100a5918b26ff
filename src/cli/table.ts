/**
 * Tables as fleet 1.0 prints them.
 * Promises: byte for byte what Go's text/tabwriter makes of minwidth 0, tabwidth 8, padding 1 and tabs as padding; text
 * that comes from people cannot break a line or move the cursor of the terminal.
 */

const tabWidth = 8;

/** Lines of a table; every row has the same number of cells. The last cell of a row gets no padding. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(printable));
  const widths = (cells[0] ?? []).map((_, column) => widestOf(cells, column));
  const lines = cells.map((row) => row.map((cell, column) => cell + padding(cell, widths[column] ?? 0)));
  return lines.map((line, index) => `${line.slice(0, -1).join('')}${cells[index]?.at(-1) ?? ''}\n`).join('');
}

function widestOf(rows: readonly (readonly string[])[], column: number): number {
  return rows.reduce((widest, row) => Math.max(widest, widthOf(row[column] ?? '')), 0);
}

/**
 * Tabs from the end of a cell to the next column, which begins at a tab stop at least one column behind the widest
 * cell.
 */
function padding(cell: string, widest: number): string {
  const columnWidth = Math.ceil((widest + 1) / tabWidth) * tabWidth;
  return '\t'.repeat(Math.ceil((columnWidth - widthOf(cell)) / tabWidth));
}

/** tabwriter counts characters, not bytes. */
function widthOf(text: string): number {
  return [...text].length;
}

/** Control characters become blanks. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ');
}
