/**
 * Strongly connected components of a graph of names (Tarjan's algorithm, without recursion: chains may be long).
 * Used twice: units that must share a machine are placed together, units that replace one another in a circle replace nothing.
 * Promises: the order depends on the order of `names` and of their edges alone; a component comes after all it points to; names
 * without edges, which are most, cost next to nothing.
 */
import type { UnitName } from '../unit-name.ts';

/** What is grouped. */
interface Named {
  readonly name: UnitName;
}

/** One node on the way down: which of its edges is looked at next. */
interface Visit<T> {
  readonly node: T;
  readonly edges: readonly UnitName[];
  next: number;
}

interface Search<T> {
  readonly edgesOf: (node: T) => readonly UnitName[];
  /** All nodes that others point to, by name. */
  readonly known: ReadonlyMap<UnitName, T>;
  readonly order: Map<UnitName, number>;
  readonly lowest: Map<UnitName, number>;
  /** Visited nodes that have no component yet. */
  readonly open: T[];
  readonly isOpen: Set<UnitName>;
}

/** Groups nodes by who reaches whom both ways over `edgesOf`, one after the other; edges that leave `nodes` are ignored. */
export function* groupByCircles<T extends Named>(nodes: readonly T[], edgesOf: (node: T) => readonly UnitName[]): Generator<readonly T[], undefined> {
  const pointedAt = new Set<UnitName>();
  for (const node of nodes) for (const target of edgesOf(node)) pointedAt.add(target);
  const known = new Map<UnitName, T>();
  if (pointedAt.size > 0) for (const node of nodes) if (pointedAt.has(node.name)) known.set(node.name, node);
  const search: Search<T> = { edgesOf, known, order: new Map(), lowest: new Map(), open: [], isOpen: new Set() };
  for (const root of nodes) {
    if (edgesOf(root).length === 0 && !known.has(root.name)) yield [root];
    else if (!search.order.has(root.name)) yield* groupsFrom(search, root);
  }
  return undefined;
}

/** The groups that a node reaches and that were not reached before. */
function* groupsFrom<T extends Named>(search: Search<T>, root: T): Generator<readonly T[], undefined> {
  const path: Visit<T>[] = [enterNode(search, root)];
  for (let visit = path.at(-1); visit !== undefined; visit = path.at(-1)) {
    const name = visit.edges[visit.next];
    visit.next += 1;
    const target = name === undefined ? undefined : search.known.get(name);
    if (name === undefined) {
      path.pop();
      const group = leaveNode(search, visit.node.name, path.at(-1)?.node.name);
      if (group !== null) yield group;
    } else if (target !== undefined && !search.order.has(name)) {
      path.push(enterNode(search, target));
    } else if (search.isOpen.has(name)) {
      lower(search, visit.node.name, search.order.get(name) ?? 0);
    }
  }
  return undefined;
}

function enterNode<T extends Named>(search: Search<T>, node: T): Visit<T> {
  const index = search.order.size;
  search.order.set(node.name, index);
  search.lowest.set(node.name, index);
  search.open.push(node);
  search.isOpen.add(node.name);
  return { node, edges: search.edgesOf(node), next: 0 };
}

/** The group that is complete with this node; null when it goes on above it. */
function leaveNode<T extends Named>(search: Search<T>, name: UnitName, parent: UnitName | undefined): readonly T[] | null {
  const lowest = search.lowest.get(name) ?? 0;
  if (parent !== undefined) lower(search, parent, lowest);
  if (lowest !== search.order.get(name)) return null;
  const group = search.open.splice(search.open.findLastIndex((node) => node.name === name));
  for (const member of group) search.isOpen.delete(member.name);
  return group;
}

function lower<T>(search: Search<T>, name: UnitName, to: number): void {
  search.lowest.set(name, Math.min(search.lowest.get(name) ?? to, to));
}
