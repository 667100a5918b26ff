/**
 * Strongly connected components of a graph of names (Tarjan's algorithm, without recursion: chains may be long).
 * Used twice: units that must share a machine are placed together, units that replace one another in a circle replace nothing.
 * Promises: the order depends on the order of `names` and of their edges alone; a component comes after all it points to.
 */
import type { UnitName } from '../unit-name.ts';

/** One node on the way down: which of its edges is looked at next. */
interface Visit {
  readonly name: UnitName;
  readonly edges: readonly UnitName[];
  next: number;
}

interface Search {
  readonly order: Map<UnitName, number>;
  readonly lowest: Map<UnitName, number>;
  /** Visited nodes that have no component yet. */
  readonly open: UnitName[];
  readonly isOpen: Set<UnitName>;
  readonly groups: UnitName[][];
}

/** Groups `names` by who reaches whom both ways over `edgesOf`; edges that leave `names` are ignored. */
export function groupByCircles(
  names: readonly UnitName[], edgesOf: (name: UnitName) => readonly UnitName[],
): readonly (readonly UnitName[])[] {
  const known = new Set(names);
  const search: Search = { order: new Map(), lowest: new Map(), open: [], isOpen: new Set(), groups: [] };
  for (const root of names) {
    if (search.order.has(root)) continue;
    const path: Visit[] = [enterNode(search, root, edgesOf)];
    for (let visit = path.at(-1); visit !== undefined; visit = path.at(-1)) {
      const target = visit.edges[visit.next];
      visit.next += 1;
      if (target === undefined) {
        path.pop();
        leaveNode(search, visit.name, path.at(-1)?.name);
      } else if (known.has(target) && !search.order.has(target)) {
        path.push(enterNode(search, target, edgesOf));
      } else if (search.isOpen.has(target)) {
        lower(search, visit.name, search.order.get(target) ?? 0);
      }
    }
  }
  return search.groups;
}

function enterNode(search: Search, name: UnitName, edgesOf: (name: UnitName) => readonly UnitName[]): Visit {
  const index = search.order.size;
  search.order.set(name, index);
  search.lowest.set(name, index);
  search.open.push(name);
  search.isOpen.add(name);
  return { name, edges: edgesOf(name), next: 0 };
}

function leaveNode(search: Search, name: UnitName, parent: UnitName | undefined): void {
  const lowest = search.lowest.get(name) ?? 0;
  if (parent !== undefined) lower(search, parent, lowest);
  if (lowest !== search.order.get(name)) return;
  const group = search.open.splice(search.open.lastIndexOf(name));
  for (const member of group) search.isOpen.delete(member);
  search.groups.push(group);
}

function lower(search: Search, name: UnitName, to: number): void {
  search.lowest.set(name, Math.min(search.lowest.get(name) ?? to, to));
}
