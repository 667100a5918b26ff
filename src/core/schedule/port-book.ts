/**
 * The port book: who has which port while a pass decides, and which port of a range comes next.
 * Promises: hold() and release() are exact inverses, cursors included when they are called in reverse order; a port that a unit
 * still runs with, or that something else listens on, is taken whatever the assignments say.
 */
import type { ClusterSnapshot, CursorScope } from '../cluster.ts';
import { clusterScope } from '../cluster.ts';
import { limits } from '../limits.ts';
import type { MachineId } from '../machine.ts';
import { sourceKey } from '../ports.ts';
import type { PortCursors, PortOrigin, PortRange, PortRequest, PortScope } from '../ports.ts';
import type { Placement } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import type { Row } from './rows.ts';

/** A unit that has, or wants, a port on a machine. */
export interface PortHolder {
  readonly unit: UnitName;
  readonly machine: MachineId;
  readonly scope: PortScope;
}

/** Somebody who looks for a port. Two runs of a global unit are strangers to each other; other units run once. */
export interface PortSeeker extends PortHolder {
  readonly isGlobal: boolean;
  readonly row: Row;
}

/** A cursor that moved because a port was given out. */
export interface CursorMove {
  readonly scope: CursorScope;
  readonly source: string;
  readonly before: number | undefined;
  readonly after: number;
}

/** The ports of one unit on one machine. */
export interface GivenPorts {
  readonly ports: Readonly<Record<string, number>>;
  readonly origins: Readonly<Record<string, PortOrigin>>;
  readonly release: number;
  /** How often the ports were changed because they were in use. */
  readonly moves: number;
  readonly cursorMoves: readonly CursorMove[];
}

type Holders = Map<MachineId, Map<number, PortHolder>>;

export interface PortBook {
  snapshot: ClusterSnapshot;
  /** What this pass gives, by machine and unit. */
  readonly given: Map<MachineId, Map<UnitName, GivenPorts>>;
  /** Ports by who has them according to this pass, and by who still runs with them according to its machine. */
  readonly held: Holders;
  readonly running: Holders;
  /** Ports something else has, on each machine: why they are not to be had. */
  readonly foreign: Map<MachineId, Map<number, string>>;
  /** Everybody who has a port anywhere: what scope "cluster" asks. */
  readonly anywhere: Map<number, Set<PortHolder>>;
  /** Those of them who have it for the whole cluster: what everybody asks. */
  readonly everywhere: Map<number, Set<PortHolder>>;
  readonly cursors: Map<CursorScope, Map<string, number>>;
}

/** An empty book. What machines report is entered by {@link enterReports}, what units are assigned by {@link hold}. */
export function createPortBook(snapshot: ClusterSnapshot): PortBook {
  return {
    snapshot, given: new Map(), held: new Map(), running: new Map(), foreign: new Map(), anywhere: new Map(), everywhere: new Map(), cursors: new Map(),
  };
}

/** Enters what a machine reports: ports its units run with, and those that something else has. */
export function enterReports(book: PortBook, machine: MachineId): void {
  const { statuses, assignments, machinePorts } = book.snapshot;
  for (const [unit, { ports }] of statuses.get(machine) ?? []) {
    for (const name in ports) {
      const port = ports[name];
      if (port === undefined) continue;
      const scope = assignments.get(machine)?.get(unit)?.portOrigins[name]?.scope ?? 'machine';
      enter(book, 'running', { holder: { unit, machine, scope }, port });
    }
  }
  const reported = machinePorts.get(machine);
  if (reported === undefined) return;
  const foreign = new Map(reported.listening.map((port) => [port, 'something that is not fleet\'s listens on it']));
  for (const { port, why } of reported.conflicts) foreign.set(port, why);
  book.foreign.set(machine, foreign);
}

/** Forgets all that was entered of a machine. */
export function forgetMachine(book: PortBook, machine: MachineId): void {
  for (const layer of [book.held, book.running]) {
    for (const [port, holder] of layer.get(machine) ?? []) leave(book, holder, port);
    layer.delete(machine);
  }
  for (const map of [book.given, book.foreign, book.cursors]) map.delete(machine);
}

/** Whether anybody has a port for the whole cluster. */
export function holdsForAll({ everywhere }: PortBook): boolean {
  return everywhere.size > 0;
}

/** Notes that a unit has a port from now on. */
export function hold(book: PortBook, holder: PortHolder, port: number): void {
  enter(book, 'held', { holder, port });
}

/** Takes all that was given to a unit on a machine back. */
export function release(book: PortBook, { unit, machine }: Omit<PortHolder, 'scope'>): void {
  const given = book.given.get(machine)?.get(unit);
  if (given === undefined) {
    leaveGone(book, { unit, machine }); // It stood there with ports about which nothing was decided.
    return;
  }
  book.given.get(machine)?.delete(unit);
  for (const port of Object.values(given.ports)) letGo(book, { unit, machine }, port);
  for (const { scope, source, before, after } of given.cursorMoves.toReversed()) {
    const cursors = cursorsOf(book, scope);
    if (cursors.get(source) !== after) continue;
    if (before === undefined) cursors.delete(source);
    else cursors.set(source, before);
  }
}

/** Takes all that a unit has on a machine out of the book for a moment; answers with what puts it back exactly as it was. */
export function setAside(book: PortBook, placement: Placement): () => void {
  const { unit, machine } = placement;
  const given = book.given.get(machine)?.get(unit);
  const held = [...book.held.get(machine) ?? []].filter(([, holder]) => holder.unit === unit);
  const cursors = (given?.cursorMoves ?? []).map(({ scope, source }) => ({ scope, source, at: cursorsOf(book, scope).get(source) }));
  release(book, placement);
  return () => {
    for (const [port, holder] of held) hold(book, holder, port);
    if (given !== undefined) givenOn(book, machine).set(unit, given);
    for (const { scope, source, at } of cursors) if (at !== undefined) cursorsOf(book, scope).set(source, at);
  };
}

/** What a pass gives on a machine, by unit. */
export function givenOn(book: PortBook, machine: MachineId): Map<UnitName, GivenPorts> {
  let ofMachine = book.given.get(machine);
  if (ofMachine === undefined) book.given.set(machine, ofMachine = new Map());
  return ofMachine;
}

/** Notes that a unit does not have a port any more; nothing when it is another's. */
export function letGo(book: PortBook, { unit, machine }: Placement, port: number): void {
  const ofMachine = book.held.get(machine);
  const holder = ofMachine?.get(port);
  if (holder?.unit !== unit) return;
  ofMachine?.delete(port);
  leave(book, holder, port);
}

/** A unit that runs elsewhere now no longer has the ports of a machine that is gone. Answers whether that freed any. */
export function leaveGone(book: PortBook, { unit, machine }: Placement): boolean {
  const left: number[] = [];
  for (const [port, holder] of book.held.get(machine) ?? []) if (holder.unit === unit) left.push(port);
  for (const port of left) letGo(book, { unit, machine }, port);
  return left.length > 0;
}

/** Why somebody cannot have a port; null when it is to be had. */
export function takenBy(book: PortBook, seeker: PortSeeker, port: number): PortHolder | string | null {
  const { unit, machine } = seeker;
  const isOther = (holder: PortHolder | undefined): holder is PortHolder =>
    holder !== undefined && (holder.unit !== unit || (seeker.isGlobal && holder.machine !== machine));
  const here = [book.held.get(machine)?.get(port), book.running.get(machine)?.get(port)].find(isOther);
  if (here !== undefined) return here;
  const rivals = seeker.scope === 'cluster' ? book.anywhere : book.everywhere;
  for (const holder of rivals.get(port) ?? []) if (isOther(holder)) return holder;
  return book.foreign.get(machine)?.get(port) ?? null;
}

/** The range a request draws from; null when its pool does not exist. */
export function rangeOf(book: PortBook, from: PortRequest['from']): PortRange | null {
  return 'pool' in from ? book.snapshot.portPools.get(from.pool) ?? null : from;
}

/** Where the cursor of a request stands. */
export interface CursorPlace {
  readonly scope: CursorScope;
  readonly source: string;
}

export function cursorOf({ machine, scope }: PortHolder, { from }: PortRequest): CursorPlace {
  return { scope: scope === 'cluster' ? clusterScope : machine, source: sourceKey(from) };
}

/** The ports of a range in the order they are to be tried: from the one after the cursor, around to the cursor itself. */
export function* fromCursor(book: PortBook, { scope, source }: CursorPlace, { low, high }: PortRange): Generator<number> {
  const last = cursorsOf(book, scope).get(source) ?? high;
  const first = last >= low && last < high ? last + 1 : low;
  for (let port = first; port <= high; port += 1) yield port;
  for (let port = low; port < first; port += 1) yield port;
}

/** Moves a cursor to the port given out last. */
export function moveCursor(book: PortBook, { scope, source }: CursorPlace, after: number): CursorMove {
  const cursors = cursorsOf(book, scope);
  const before = cursors.get(source);
  // The one moved last stands last, so that the longest unused is forgotten first.
  cursors.delete(source);
  cursors.set(source, after);
  return { scope, source, before, after };
}

/** The records of all cursors that a unit's ports moved, as they are at the end of a pass. */
export function cursorRecords(book: PortBook, given: GivenPorts | undefined): ReadonlyMap<CursorScope, PortCursors> {
  if (given === undefined || given.cursorMoves.length === 0) return noCursors;
  const scopes = new Set(given.cursorMoves.map(({ scope }) => scope));
  return new Map([...scopes].map((scope) => [scope, { last: Object.fromEntries([...cursorsOf(book, scope)].slice(-limits.portCursorsMax)) }]));
}

export const noCursors: ReadonlyMap<CursorScope, PortCursors> = new Map();

function cursorsOf(book: PortBook, scope: CursorScope): Map<string, number> {
  let cursors = book.cursors.get(scope);
  if (cursors === undefined) {
    book.cursors.set(scope, cursors = new Map(Object.entries(book.snapshot.portCursors.get(scope)?.last ?? {})));
  }
  return cursors;
}

/** The first to come has the port: a store written by hand may say that two have it. */
function enter(book: PortBook, layer: 'held' | 'running', { holder, port }: { readonly holder: PortHolder; readonly port: number }): void {
  let ofMachine = book[layer].get(holder.machine);
  if (ofMachine === undefined) book[layer].set(holder.machine, ofMachine = new Map());
  if (ofMachine.has(port)) return;
  ofMachine.set(port, holder);
  for (const holders of holderSets(book, holder)) {
    const others = holders.get(port);
    if (others === undefined) holders.set(port, new Set([holder]));
    else others.add(holder);
  }
}

function leave(book: PortBook, holder: PortHolder, port: number): void {
  for (const holders of holderSets(book, holder)) {
    const others = holders.get(port);
    others?.delete(holder);
    if (others?.size === 0) holders.delete(port);
  }
}

function holderSets({ anywhere, everywhere }: PortBook, { scope }: PortHolder): readonly Map<number, Set<PortHolder>>[] {
  return scope === 'cluster' ? [anywhere, everywhere] : [anywhere];
}
