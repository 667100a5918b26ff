/**
 * Strongly connected components of a graph of units (Tarjan's algorithm, without recursion: chains may be long).
 * Used twice: units that must share a machine are placed together, units that replace one another in a circle replace nothing.
 * Promises: the order depends on the order of the nodes and of their edges alone; a component comes after all it points to; nodes
 * without edges, which are most, cost next to nothing.
 */
import type { UnitName } from '../unit-name.ts';

/** What is grouped. */
interface Named {
  readonly name: UnitName;
}

/** Who points to whom. */
export interface Graph<T> {
  /** The nodes that one points to, those that are not grouped left out. */
  edgesOf(node: T): readonly T[];
  /** Whether a node is pointed to; it may be said of one that is not. */
  isPointedAt(node: T): boolean;
}

/** The graph of nodes that point to others by name. */
export function graphByName<T extends Named>(nodes: readonly T[], namesOf: (node: T) => readonly UnitName[]): Graph<T> {
  const known = new Map(nodes.map((node) => [node.name, node]));
  return { edgesOf: (node) => namesOf(node).flatMap((name) => known.get(name) ?? []), isPointedAt: () => true };
}

/** One node that was reached. */
interface Visit<T> {
  readonly node: T;
  readonly edges: readonly T[];
  /** Which of its edges is looked at next. */
  next: number;
  readonly order: number;
  lowest: number;
  /** It has no component yet. */
  isOpen: boolean;
}

interface Search<T> {
  readonly graph: Graph<T>;
  readonly visits: Map<UnitName, Visit<T>>;
  /** Visited nodes that have no component yet. */
  readonly open: Visit<T>[];
}

/** Groups nodes by who reaches whom both ways, one after the other. */
export function* groupByCircles<T extends Named>(nodes: readonly T[], graph: Graph<T>): Generator<readonly T[], undefined> {
  const search: Search<T> = { graph, visits: new Map(), open: [] };
  for (const root of nodes) {
    if (graph.edgesOf(root).length === 0 && !graph.isPointedAt(root)) yield [root];
    else if (!search.visits.has(root.name)) yield* groupsFrom(search, root);
  }
  return undefined;
}

/** The groups that a node reaches and that were not reached before. */
function* groupsFrom<T extends Named>(search: Search<T>, root: T): Generator<readonly T[], undefined> {
  const path: Visit<T>[] = [enterNode(search, root)];
  for (let visit = path.at(-1); visit !== undefined; visit = path.at(-1)) {
    const target = visit.edges[visit.next];
    visit.next += 1;
    if (target === undefined) {
      path.pop();
      const above = path.at(-1);
      if (above !== undefined) above.lowest = Math.min(above.lowest, visit.lowest);
      if (visit.lowest === visit.order) yield close(search, visit);
      continue;
    }
    const known = search.visits.get(target.name);
    if (known === undefined) path.push(enterNode(search, target));
    else if (known.isOpen) visit.lowest = Math.min(visit.lowest, known.order);
  }
  return undefined;
}

function enterNode<T extends Named>({ graph, visits, open }: Search<T>, node: T): Visit<T> {
  const order = visits.size;
  const visit = { node, edges: graph.edgesOf(node), next: 0, order, lowest: order, isOpen: true };
  visits.set(node.name, visit);
  open.push(visit);
  return visit;
}

/** The group that is complete with this node: all that were reached since and have none yet. */
function close<T>({ open }: Search<T>, last: Visit<T>): readonly T[] {
  let from = open.length - 1;
  while (open[from] !== last) from -= 1;
  return open.splice(from).map((visit) => {
    visit.isOpen = false;
    return visit.node;
  });
}
