/**
 * Tables as fleet 1.0 prints them.
 * Promises: byte for byte what Go's text/tabwriter makes of minwidth 0, tabwidth 8, padding 1 and tabs as padding; text
 * that comes from people cannot break a line or move the cursor of the terminal.
 */

const tabWidth = 8;

/** Lines of a table; every row has the same number of cells. The last cell of a row gets no padding. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(printable));
  const stops = (cells[0] ?? []).map((_, column) => tabStopsOf(cells, column));
  const last = stops.length - 1;
  return cells.map((row) => `${row.map((cell, column) => (column === last ? cell : cell + padding(cell, stops[column] ?? 0))).join('')}\n`).join('');
}

/** The tab stop at which the next column begins: at least one column behind the widest cell. */
function tabStopsOf(rows: readonly (readonly string[])[], column: number): number {
  let widest = 0;
  for (const row of rows) widest = Math.max(widest, widthOf(row[column] ?? ''));
  return Math.ceil((widest + 1) / tabWidth);
}

/** Tabs from the end of a cell to the next column. */
function padding(cell: string, stop: number): string {
  return '\t'.repeat(stop - Math.floor(widthOf(cell) / tabWidth));
}

/** tabwriter counts characters, not bytes, nor the UTF-16 units that make one. */
function widthOf(text: string): number {
  return /[\ud800-\udbff]/.test(text) ? [...text].length : text.length;
}

/** Control characters become blanks. */
function printable(text: string): string {
  return /\p{Cc}/u.test(text) ? text.replaceAll(/\p{Cc}/gu, ' ') : text;
}
