/**
 * A map that is changed in place and shared as values: snapshots of it cost what has changed since the last one, not what it holds.
 * Small maps are plain ones; from {@link leafMax} entries on keys are spread by their hash over a tree of small maps, of which only those
 * on the way to a changed key are copied.
 * Promises: what shared() has given out never changes; what did not change is the same object in two values, so that
 * {@link changedKeys} looks at little else than what did; no single put costs more than a split of one small map.
 */

/** The most entries of a map that is not spread. */
const leafMax = 512;
const bitsPerLevel = 6;
const childrenPerNode = 1 << bitsPerLevel;
/** Keys whose hashes agree in this many levels share a map, however large. */
const levelsMax = 5;

/** A map in the making. */
export interface SharedMap<K extends string, V> {
  get(key: K): V | undefined;
  /** null deletes. */
  put(key: K, value: V | null): void;
  size(): number;
  /** All that is there now; nothing may be put while it is looked at. */
  entries(): Iterable<readonly [K, V]>;
  /** The map as it is now. */
  shared(): ReadonlyMap<K, V>;
}

/** Who may change a part of a tree in place: the edits between two values have one owner. */
type Owner = object;

interface Leaf<K, V> {
  readonly owner: Owner;
  readonly map: Map<K, V>;
}

interface Node<K, V> {
  readonly owner: Owner;
  readonly children: (Tree<K, V> | undefined)[];
}

type Tree<K, V> = Leaf<K, V> | Node<K, V>;

export function createSharedMap<K extends string, V>(): SharedMap<K, V> {
  let owner: Owner = {};
  let root: Tree<K, V> = { owner, map: new Map() };
  let count = 0;
  let value: ReadonlyMap<K, V> | null = null;
  /** The key asked about last: it is often asked about, or put, again. */
  let last: { readonly key: K; readonly value: V | undefined } | null = null;
  const get = (key: K): V | undefined => {
    if (last?.key !== key) last = { key, value: lookUp(root, key) };
    return last.value;
  };
  const change = (): void => {
    // What was given out belongs to nobody any more.
    if (value !== null) owner = {};
    value = null;
  };
  return {
    get,
    put(key, next) {
      const before = get(key);
      if (next === null ? before === undefined : before === next) return;
      change();
      if (next === null) count -= 1;
      else if (before === undefined) count += 1;
      root = changed(root, { key, value: next, owner }, 0);
      last = { key, value: next ?? undefined };
    },
    size: () => count,
    entries: () => ('map' in root ? root.map : new SpreadMap(root, count)),
    shared() {
      value ??= 'map' in root ? root.map : new SpreadMap(root, count);
      return value;
    },
  };
}

/** The keys whose values differ between two maps, in no certain order. Cheap for two values of one {@link SharedMap}. */
export function changedKeys<K extends string, V>(before: ReadonlyMap<K, V>, after: ReadonlyMap<K, V>): ReadonlySet<K> {
  const found = new Set<K>();
  if (before === after) return found;
  if (before instanceof SpreadMap && after instanceof SpreadMap) compareTrees<K, V>(before.tree as Tree<K, V>, after.tree as Tree<K, V>, found);
  else compareMaps(before, after, found);
  return found;
}

interface Change<K, V> {
  readonly key: K;
  readonly value: V | null;
  readonly owner: Owner;
}

/** The tree after a change; what `owner` has made is changed in place, everything else is copied on the way. */
function changed<K extends string, V>(tree: Tree<K, V>, change: Change<K, V>, level: number): Tree<K, V> {
  const { key, value, owner } = change;
  if ('map' in tree) {
    const leaf = tree.owner === owner ? tree : { owner, map: new Map(tree.map) };
    if (value === null) leaf.map.delete(key);
    else leaf.map.set(key, value);
    return leaf.map.size > leafMax && level < levelsMax ? split(leaf, level) : leaf;
  }
  const node = tree.owner === owner ? tree : { owner, children: tree.children.slice() };
  const at = childAt(hashOf(key), level);
  node.children[at] = changed(node.children[at] ?? { owner, map: new Map<K, V>() }, change, level + 1);
  return node;
}

function split<K extends string, V>({ owner, map }: Leaf<K, V>, level: number): Node<K, V> {
  const children = new Array<Leaf<K, V> | undefined>(childrenPerNode).fill(undefined);
  for (const [key, value] of map) {
    const at = childAt(hashOf(key), level);
    (children[at] ??= { owner, map: new Map() }).map.set(key, value);
  }
  return { owner, children };
}

function lookUp<K extends string, V>(root: Tree<K, V>, key: K): V | undefined {
  if ('map' in root) return root.map.get(key);
  const hash = hashOf(key);
  let tree: Tree<K, V> | undefined = root;
  for (let level = 0; tree !== undefined; level += 1) {
    if ('map' in tree) return tree.map.get(key);
    tree = tree.children[childAt(hash, level)];
  }
  return undefined;
}

function childAt(hash: number, level: number): number {
  return (hash >>> (level * bitsPerLevel)) & (childrenPerNode - 1);
}

/** The key asked about last: whoever looks at a unit asks several maps about it. */
let hashed = { key: '', hash: hashOfText('') };

function hashOf(key: string): number {
  if (hashed.key !== key) hashed = { key, hash: hashOfText(key) };
  return hashed.hash;
}

/** FNV-1a over UTF-16 units, stirred so that every bit of a name counts in every level. */
function hashOfText(key: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  hash ^= hash >>> 15;
  return Math.imul(hash, 0x85ebca6b) ^ (hash >>> 13);
}

function* leavesOf<K, V>(tree: Tree<K, V>): Generator<Map<K, V>, undefined> {
  if ('map' in tree) yield tree.map;
  else for (const child of tree.children) if (child !== undefined) yield* leavesOf(child);
  return undefined;
}

function compareTrees<K extends string, V>(before: Tree<K, V> | undefined, after: Tree<K, V> | undefined, found: Set<K>): void {
  if (before === after) return;
  if (before === undefined || after === undefined || 'map' in before || 'map' in after) {
    compareMaps(mapOf(before), mapOf(after), found);
    return;
  }
  for (let at = 0; at < childrenPerNode; at += 1) compareTrees(before.children[at], after.children[at], found);
}

/** What stands below a part of a tree. */
function mapOf<K extends string, V>(tree: Tree<K, V> | undefined): ReadonlyMap<K, V> {
  const map = new Map<K, V>();
  if (tree === undefined) return map;
  if ('map' in tree) return tree.map;
  for (const leaf of leavesOf(tree)) for (const [key, value] of leaf) map.set(key, value);
  return map;
}

function compareMaps<K, V>(before: ReadonlyMap<K, V>, after: ReadonlyMap<K, V>, found: Set<K>): void {
  for (const [key, value] of after) if (before.get(key) !== value) found.add(key);
  for (const key of before.keys()) if (!after.has(key)) found.add(key);
}

/** A value of a map that is spread over a tree. */
class SpreadMap<K extends string, V> implements ReadonlyMap<K, V> {
  readonly tree: Node<K, V>;
  readonly size: number;
  /** The key asked about last. */
  #last: { readonly key: K; readonly value: V | undefined } | null = null;

  constructor(tree: Node<K, V>, size: number) {
    this.tree = tree;
    this.size = size;
  }

  get(key: K): V | undefined {
    if (this.#last?.key !== key) this.#last = { key, value: lookUp(this.tree, key) };
    return this.#last.value;
  }

  has(key: K): boolean {
    return this.get(key) !== undefined;
  }

  forEach(callback: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this) callback(value, key, this);
  }

  * entries(): Generator<[K, V], undefined> {
    for (const map of leavesOf(this.tree)) yield* map;
    return undefined;
  }

  * keys(): Generator<K, undefined> {
    for (const map of leavesOf(this.tree)) yield* map.keys();
    return undefined;
  }

  * values(): Generator<V, undefined> {
    for (const map of leavesOf(this.tree)) yield* map.values();
    return undefined;
  }

  [Symbol.iterator](): Generator<[K, V], undefined> {
    return this.entries();
  }
}
