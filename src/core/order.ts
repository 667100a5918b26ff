/** The order of names and ids wherever fleet sorts: by UTF-16 units, the same on every machine whatever its locale. */

/** For Array.sort: negative when `left` comes first. */
export function compareText(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** The same for what has a name. */
export function compareNames(left: { readonly name: string }, right: { readonly name: string }): number {
  return compareText(left.name, right.name);
}
