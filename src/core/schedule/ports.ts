/**
 * Which ports a unit is given on a machine.
 * Promises: a unit keeps its ports while it stays, unless it is released anew, asks for others, or found them in use; a port is
 * looked for from the one given out last, so a port just freed comes round last; no port leaves a unit that has nothing better.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import { assert } from '../failure.ts';
import { limits } from '../limits.ts';
import type { MachineId } from '../machine.ts';
import { inRange, rangeSize } from '../ports.ts';
import type { PortOrigin, PortRange, PortRequest } from '../ports.ts';
import { recordInTurn } from '../release/turns.ts';
import { withoutPorts } from '../unit.ts';
import type { Assignment, Placement, PortPart, UnitRecord } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import type { PlannedUnit } from './ledger.ts';
import { cursorOf, fromCursor, givenOn, hold, letGo, moveCursor, rangeOf, takenBy } from './port-book.ts';
import type { CursorMove, GivenPorts, PortBook, PortSeeker } from './port-book.ts';
import type { Steps } from './steps.ts';

/** A request that no port was found for: its range; null when its pool does not exist. */
export interface PortsLacking {
  readonly request: PortRequest;
  readonly range: PortRange | null;
}

/** One port that was found for a request. */
interface Pick {
  readonly request: PortRequest;
  readonly port: number;
  readonly origin: PortOrigin;
  /** It comes from the cursor, which moves there. */
  readonly isNext: boolean;
}

/** What a unit has already, while others are looked for. */
interface Owned {
  /** All ports it has that are what it asks for. */
  readonly all: readonly Pick[];
  /** Those that stay. */
  readonly kept: readonly Pick[];
  /** Ports that are to be given up, unless no other is free. */
  readonly avoid: ReadonlySet<number>;
  /** Why a port of its own was given up, by name. */
  readonly why: ReadonlyMap<string, string>;
}

const ownsNothing: Owned = { all: [], kept: [], avoid: new Set(), why: new Map() };

/** What was given to a unit on a machine; undefined when it asks for nothing, or nothing was decided about it there. */
export function givenPorts(book: PortBook, unit: UnitName, machine: MachineId): GivenPorts | undefined {
  return book.given.get(machine)?.get(unit);
}

/** What a machine has no free port for; null when it has one for every request of the unit. */
export function lackingPorts(book: PortBook, unit: PlannedUnit, machine: MachineId): PortsLacking | null {
  if (unit.section.ports.length === 0 || givenPorts(book, unit.name, machine) !== undefined) return null;
  const found = findPorts(book, seekerOf(book, unit, machine), { unit, owned: ownsNothing });
  return found.ok ? null : found.lacking;
}

/** Gives a unit that comes to a machine its ports; {@link lackingPorts} has said that there are some. */
export function takePorts(book: PortBook, unit: PlannedUnit, machine: MachineId): void {
  if (unit.section.ports.length === 0) return;
  const seeker = seekerOf(book, unit, machine);
  const found = findPorts(book, seeker, { unit, owned: ownsNothing });
  assert(found.ok, `${unit.name} comes to ${machine} only when its ports are free there`);
  give(book, seeker, { picks: found.picks, moves: 0 });
}

export function seekerOf({ snapshot }: PortBook, { name, section, row }: PlannedUnit, machine: MachineId): PortSeeker {
  return { unit: name, machine, scope: sharesPorts(snapshot, machine) ? 'cluster' : section.portScope, isGlobal: section.global, row };
}

/** Whether a port of a machine is one of all others, too: machines with an embedded store are all of one fleetd, on one host. */
function sharesPorts({ machines }: ClusterSnapshot, machine: MachineId): boolean {
  return machines.size > 1 && machines.get(machine)?.store === 'embedded';
}

/** A unit where it stands, with the assignment that says so. */
export interface StandingUnit {
  readonly unit: PlannedUnit;
  readonly machine: MachineId;
  readonly assignment: Assignment;
}

/**
 * Enters the ports of units that stand on their machines: first all that they have, so that nobody is given a port of another. Answers with
 * those that did not find what they are to have, and keep what they have.
 */
export function* keepPorts(book: PortBook, standing: readonly StandingUnit[]): Steps<readonly LackingUnit[]> {
  const owning: LackingUnit[] = [];
  for (const each of standing) {
    owning.push({ ...each, owned: ownedBy(book, each) });
    yield;
  }
  for (const { unit, machine, assignment } of owning) {
    holdAsTheyAre(book, { unit: unit.name, machine }, assignment);
    yield;
  }
  const lacking = yield* completeAll(book, owning);
  for (const each of lacking) settleForOwn(book, each);
  return lacking;
}

/**
 * Has units look for what they are to have. What one gives up may be what another one lacks: who found nothing looks again. Answers with those who
 * go on lacking it.
 */
export function* completeAll(book: PortBook, units: readonly LackingUnit[]): Steps<readonly LackingUnit[]> {
  let lacking = units;
  for (let before = Infinity; lacking.length < before;) {
    before = lacking.length;
    const still: LackingUnit[] = [];
    for (const each of lacking) {
      if (!completePorts(book, each)) still.push(each);
      yield;
    }
    lacking = still;
  }
  return lacking;
}

/** Enters the ports of a unit that keeps them whatever it asks for: its machine is gone, or something about it cannot be read. */
export function holdAsTheyAre(book: PortBook, { unit, machine }: Placement, { ports, portOrigins }: Assignment): void {
  for (const [name, port] of Object.entries(ports)) {
    hold(book, { unit, machine, scope: portOrigins[name]?.scope ?? 'machine' }, port);
  }
}

/** One that is to have other ports than it has. */
export interface LackingUnit extends StandingUnit {
  readonly owned: Owned;
}

function ownedBy(book: PortBook, { unit, machine, assignment }: StandingUnit): Owned {
  const owned = { all: [] as Pick[], kept: [] as Pick[], avoid: new Set<number>(), why: new Map<string, string>() };
  const isRelease = releaseOf(book, seekerOf(book, unit, machine)) !== assignment.release;
  const busy = assignment.portMoves < limits.portMovesMax ? busyPorts(book, { unit: unit.name, machine }) : new Map<number, string>();
  for (const request of unit.section.ports) {
    const port = assignment.ports[request.name];
    const origin = assignment.portOrigins[request.name];
    if (port === undefined || origin === undefined || !isOf(origin, request, unit)) continue;
    const pick: Pick = { request, port, origin, isNext: false };
    owned.all.push(pick);
    const why = busy.get(port);
    if (why !== undefined) owned.why.set(request.name, `port ${String(port)} was in use: ${why}`);
    if (isRelease) owned.avoid.add(port);
    if (why === undefined && !isRelease) owned.kept.push(pick);
  }
  return owned;
}

/** Whether a port came from what its unit asks for now. A pool may have changed its range since. */
function isOf(origin: PortOrigin, { from }: PortRequest, { section }: PlannedUnit): boolean {
  if (origin.scope !== section.portScope) return false;
  return 'pool' in from ? origin.pool === from.pool : origin.pool === null && origin.low === from.low && origin.high === from.high;
}

/** Ports that a unit found in use when it was to start. */
function busyPorts(book: PortBook, { unit, machine }: Placement): ReadonlyMap<number, string> {
  const conflicts = book.snapshot.machinePorts.get(machine)?.conflicts ?? [];
  return new Map(conflicts.filter((conflict) => conflict.unit === unit).map(({ port, why }) => [port, why]));
}

/** Finds what a standing unit lacks, and gives up what it is to have no more; false when something is not to be found. */
function completePorts(book: PortBook, standing: LackingUnit): boolean {
  const { unit, machine, assignment, owned } = standing;
  const seeker = seekerOf(book, unit, machine);
  const found = findPorts(book, seeker, { unit, owned });
  if (!found.ok) return false;
  const moves = movesOf(book, standing);
  // All of them: one that it keeps may have another scope now.
  for (const port of Object.values(assignment.ports)) letGo(book, seeker, port);
  give(book, seeker, { picks: found.picks, moves: owned.why.size > 0 ? moves + 1 : moves });
  return true;
}

/** A unit for which there is nothing better keeps what it has. */
function settleForOwn(book: PortBook, standing: LackingUnit): void {
  const { unit, machine, owned } = standing;
  if (owned.all.length < unit.section.ports.length) return;
  give(book, seekerOf(book, unit, machine), { picks: owned.all, moves: movesOf(book, standing) });
}

/** How often the ports of a unit were changed because they were in use; counted anew once it is released or started again. */
function movesOf(book: PortBook, { unit, machine, assignment }: StandingUnit): number {
  const record = recordOf(book, seekerOf(book, unit, machine));
  const isAnew = record?.release !== assignment.release || record.restart !== assignment.restart;
  return isAnew ? 0 : assignment.portMoves;
}

/** The record of a unit as it holds on a machine: a global unit under release changes machine by machine. */
function recordOf({ snapshot }: PortBook, { unit, machine, isGlobal, row }: PortSeeker): UnitRecord | undefined {
  const held = isGlobal ? snapshot.assignments.get(machine)?.get(unit) : undefined;
  return held === undefined ? row.record : recordInTurn(snapshot, { unit, machine }, held);
}

/** What the assignment of a unit that asks for no ports says of them. */
export function noPortsOf(book: PortBook, { unit, machine }: { readonly unit: PlannedUnit; readonly machine: MachineId }, before: Assignment | null): PortPart {
  const portMoves = before === null ? 0 : movesOf(book, { unit, machine, assignment: before });
  return { ...withoutPorts, release: releaseOf(book, seekerOf(book, unit, machine)), portMoves };
}

function releaseOf(book: PortBook, seeker: PortSeeker): number {
  return recordOf(book, seeker)?.release ?? 0;
}

interface Search {
  readonly unit: PlannedUnit;
  readonly owned: Owned;
}

type Found = { readonly ok: true; readonly picks: readonly Pick[] } | { readonly ok: false; readonly lacking: PortsLacking };

/** A port for each request. Narrow ranges choose first: of ranges that lie in one another, the wide one has more to choose from. */
function findPorts(book: PortBook, seeker: PortSeeker, { unit: { section: { ports: requests, portScope } }, owned }: Search): Found {
  const picks = new Map(owned.kept.map((pick) => [pick.request.name, pick]));
  const sizeOf = ({ from }: PortRequest): number => rangeSize(rangeOf(book, from) ?? { low: 1, high: 0 });
  const open = requests.filter(({ name }) => !picks.has(name)).toSorted((left, right) => sizeOf(left) - sizeOf(right));
  for (const request of open) {
    const range = rangeOf(book, request.from);
    const chosen = new Set([...picks.values()].map(({ port }) => port));
    const choice = range === null ? null : choosePort(book, { seeker, request, range, chosen, avoid: owned.avoid });
    if (range === null || choice === null) return { ok: false, lacking: { request, range } };
    const origin: PortOrigin = {
      low: range.low, high: range.high, pool: 'pool' in request.from ? request.from.pool : null, scope: portScope, sinceMs: 0,
      why: owned.why.get(request.name) ?? '',
    };
    picks.set(request.name, { request, origin, ...choice });
  }
  return { ok: true, picks: requests.flatMap(({ name }) => picks.get(name) ?? []) };
}

interface Choosing {
  readonly seeker: PortSeeker;
  readonly request: PortRequest;
  readonly range: PortRange;
  /** Ports of the same unit under other names. */
  readonly chosen: ReadonlySet<number>;
  readonly avoid: ReadonlySet<number>;
}

/** The port the unit had here before, or the next one that is free; one that it should give up only when there is no other. */
function choosePort(book: PortBook, choosing: Choosing): { readonly port: number; readonly isNext: boolean } | null {
  const { seeker, request, range, chosen, avoid } = choosing;
  const isFree = (port: number): boolean => !chosen.has(port) && takenBy(book, seeker, port) === null;
  const former = formerPort(book, seeker, request);
  if (former !== undefined && inRange(range, former) && !avoid.has(former) && isFree(former)) return { port: former, isNext: false };
  let lastResort: number | null = null;
  for (const port of fromCursor(book, cursorOf(seeker, request), range)) {
    if (!isFree(port)) continue;
    if (!avoid.has(port)) return { port, isNext: true };
    lastResort ??= port;
  }
  return lastResort === null ? null : { port: lastResort, isNext: true };
}

function formerPort(book: PortBook, seeker: PortSeeker, { name }: PortRequest): number | undefined {
  const former = book.snapshot.formerPorts.get(seeker.unit);
  return former?.machine === seeker.machine && former.release === releaseOf(book, seeker) ? former.ports[name] : undefined;
}

function give(book: PortBook, seeker: PortSeeker, { picks, moves }: { readonly picks: readonly Pick[]; readonly moves: number }): void {
  const cursorMoves: CursorMove[] = [];
  for (const { request, port, isNext } of picks) {
    hold(book, seeker, port);
    if (isNext) cursorMoves.push(moveCursor(book, cursorOf(seeker, request), port));
  }
  const byName = <T>(valueOf: (pick: Pick) => T): Record<string, T> =>
    Object.fromEntries(picks.map((pick) => [pick.request.name, valueOf(pick)]));
  const given: GivenPorts = {
    ports: byName(({ port }) => port), origins: byName(({ origin }) => origin), release: releaseOf(book, seeker), moves, cursorMoves,
  };
  givenOn(book, seeker.machine).set(seeker.unit, given);
}
