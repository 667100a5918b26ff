/**
 * Finds machines for units that have none: global units on every machine that fits, others on the least loaded one.
 * Promises: the result depends on names, ids and sections alone; a unit that finds no machine is noted with those it had to share one with.
 */
import { compareNames } from '../order.ts';
import type { UnitName } from '../unit-name.ts';
import { bestPlace, classOf } from './candidates.ts';
import { arrivalFilters, firstRefusal, machineFilters, neighbourFilters, replaceableUnits, roomFilters } from './filters.ts';
import type { FilterContext, Refusal } from './filters.ts';
import { groupByCircles } from './groups.ts';
import type { Graph } from './groups.ts';
import { takeOff } from './keep.ts';
import { place, priorityOf, remove } from './ledger.ts';
import type { Place, PlannedUnit } from './ledger.ts';
import { awaitedWhy, noteChange, placesIn, rowsIn } from './pass.ts';
import type { Pass } from './pass.ts';
import { leaveGone } from './port-book.ts';
import { takePorts } from './ports.ts';
import { findEviction, sayMadeRoom, sayVictims } from './preempt.ts';
import { isBetterRank, isRanked, leaderOf, rankOf, sayLoad, sayRank } from './rank.ts';
import type { Rank } from './rank.ts';
import { noteComing } from './rows.ts';
import { createPace } from './steps.ts';
import type { Steps } from './steps.ts';

const allFilters = [...machineFilters, ...arrivalFilters, ...roomFilters, ...neighbourFilters];

/** Why a machine does not take a unit as things stand; null when it does. */
export function refusalOf(unit: PlannedUnit, at: Place, context: FilterContext): Refusal | null {
  return firstRefusal(allFilters, unit, { place: at, context });
}

/** Puts a unit on a machine that takes it, with ports. */
function settle({ ledger }: Pass, at: Place, unit: PlannedUnit): void {
  place(ledger, at, unit);
  takePorts(ledger.ports, unit, at.machine.id);
}

/** Puts global units on every machine that fits. */
export function* placeGlobals(pass: Pass): Steps<void> {
  for (const unit of globalsOf(pass)) {
    for (const at of pass.globalsAnywhere ? pass.ledger.places.values() : placesIn(pass)) {
      yield;
      if (at.units.has(unit.name) || refusalOf(unit, at, pass.context) !== null) continue;
      settle(pass, at, unit);
      noteChange(pass, unit, at);
      noteComing(unit.row, at.machine.id, 'it is global: it runs on every machine that fits');
    }
  }
}

/** Notes the global units that fit on no machine; after all units are placed, because they may have been replaced. */
export function noteUnplacedGlobals(pass: Pass): void {
  for (const unit of globalsOf(pass)) if (unit.row.home === null) pass.unplaced.set(unit.name, { refused: [unit] });
}

function globalsOf({ globals }: Pass): readonly PlannedUnit[] {
  return [...globals.values()].sort(compareNames);
}

/**
 * Puts every other unit without a machine on one, leaders before their followers. Answers whether that pushed other units off
 * their machines: then there is more to place.
 */
export function* placePending(pass: Pass): Steps<boolean> {
  const pending = yield* pendingUnits(pass);
  const groups = groupByCircles(pending.units, followingIn(pass));
  const isStep = createPace(groupsPerStep);
  let pushed = false;
  for (const group of pending.haveOrder ? yield* byPriority(groups) : groups) {
    pushed = placeGroup(pass, group) || pushed;
    if (isStep()) yield;
  }
  return pushed;
}

/** Groups that are placed in one step. */
const groupsPerStep = 4;

interface Pending {
  readonly units: readonly PlannedUnit[];
  /** Whether any of them has a priority. */
  readonly haveOrder: boolean;
}

/** All units that are to be placed now, by name. */
function* pendingUnits(pass: Pass): Steps<Pending> {
  const units: PlannedUnit[] = [];
  let haveOrder = false;
  pass.ledger.rounds += 1;
  const isStep = createPace();
  for (const row of rowsIn(pass)) {
    if (isStep()) yield;
    const { name, wanted, home } = row;
    if (wanted === null || wanted.section.global || home !== null) continue;
    const why = awaitedWhy(pass, row);
    if (why !== null) {
      pass.unplaced.set(name, { why });
      continue;
    }
    row.round = pass.ledger.rounds;
    haveOrder ||= wanted.section.placing.priority !== null;
    units.push(wanted);
  }
  return { units, haveOrder };
}

/** Who follows whom among the units of this round. */
function followingIn({ ledger: { rows, rounds } }: Pass): Graph<PlannedUnit> {
  return {
    edgesOf: ({ section: { machineOf } }) => (machineOf.length === 0 ? nobody : machineOf.flatMap((name) => {
      const leader = rows.get(name);
      return leader?.round === rounds ? leader.wanted ?? [] : [];
    })),
    isPointedAt: ({ row }) => row.followers !== null,
  };
}

const nobody: readonly never[] = [];

/** Higher priorities first. Nobody comes before whom he follows, so a follower has at most the priority of those. */
function* byPriority(groups: Iterable<readonly PlannedUnit[]>): Steps<readonly (readonly PlannedUnit[])[]> {
  const isStep = createPace();
  const priorities = new Map<UnitName, number>();
  const ranked = new Map<number, (readonly PlannedUnit[])[]>();
  for (const group of groups) {
    const leaders = group.flatMap((unit) => unit.section.machineOf.flatMap((name) => priorities.get(name) ?? []));
    const priority = Math.min(Math.max(...group.map(priorityOf)), ...leaders);
    for (const unit of group) if (unit.row.followers !== null) priorities.set(unit.name, priority);
    const alike = ranked.get(priority);
    if (alike === undefined) ranked.set(priority, [group]);
    else alike.push(group);
    if (isStep()) yield;
  }
  return [...ranked].sort(([left], [right]) => right - left).flatMap(([, alike]) => alike);
}

/** Places units that must share a machine; answers whether that pushed others out. */
function placeGroup(pass: Pass, group: readonly PlannedUnit[]): boolean {
  const waiting = pass.waits.size === 0 ? undefined : group.find((unit) => pass.waits.has(unit.name));
  const wait = waiting === undefined ? undefined : pass.waits.get(waiting.name);
  if (waiting !== undefined && wait !== undefined) {
    for (const unit of group) {
      const why = unit === waiting ? wait.why : `${waiting.name} shares its machine: ${wait.why}`;
      pass.unplaced.set(unit.name, { why });
    }
    return false;
  }
  const at = findPlace(pass, group);
  if (at !== null) return settleOn(pass, group, at);
  if (pushLower(pass, group)) return true;
  for (const unit of group) pass.unplaced.set(unit.name, { refused: group });
  return false;
}

/** Puts a unit where units of lower priority make room for it; answers whether there was such a machine. */
function pushLower(pass: Pass, group: readonly PlannedUnit[]): boolean {
  const [unit] = group;
  if (unit === undefined || group.length > 1) return false;
  const eviction = findEviction(pass, unit, classOf(pass.classes, unit, pass.context));
  if (eviction === null) return false;
  const { at, victims } = eviction;
  for (const victim of victims) {
    takeOff(pass, { unit: victim, at }, sayMadeRoom(unit));
    pass.madeRoom.set(victim.name, sayMadeRoom(unit));
  }
  settleOn(pass, group, at);
  noteComing(unit.row, at.machine.id, `${sayVictims(victims)} made room for it`);
  return true;
}

/** The best machine for units that must share one; null when none takes them all. */
export function findPlace(pass: Pass, group: readonly PlannedUnit[]): Place | null {
  const [only] = group;
  if (only !== undefined && group.length === 1 && only.replaceIds.length === 0) {
    return bestPlace(only, classOf(pass.classes, only, pass.context), pass.context);
  }
  const leader = leaderOf(group);
  if (leader === undefined) return null;
  let best: Candidate | null = null;
  for (const at of pass.ledger.places.values()) {
    const candidate = { at, takes: group.some((unit) => replaceableUnits(unit, at).length > 0), rank: rankOf(leader, at) };
    if (best !== null && !isBetter(candidate, best)) continue;
    if (groupRefusal(pass, group, at) === null) best = candidate;
  }
  return best?.at ?? null;
}

/** Puts units on a machine that takes them; answers whether that pushed others out. */
export function settleOn(pass: Pass, group: readonly PlannedUnit[], at: Place): boolean {
  const before = leaderOf(group);
  const choice = before === undefined ? '' : sayChoice(pass.choices, before, at);
  for (const unit of group) {
    settle(pass, at, unit);
    noteChange(pass, unit, at);
    pass.unplaced.delete(unit.name);
  }
  let pushed = false;
  for (const unit of group) {
    // Somebody who found no port may find one now.
    for (const { machine } of unit.row.held) {
      if (!pass.ledger.places.has(machine)) pushed = leaveGone(pass.ledger.ports, { unit: unit.name, machine }) || pushed;
    }
    const replaced = pushOut(pass, unit, at);
    pushed ||= replaced.length > 0;
    noteComing(unit.row, at.machine.id, whyHere(unit, { replaced, group, choice }));
  }
  return pushed;
}

interface Candidate {
  readonly at: Place;
  /** Whether it has units that are replaced. */
  readonly takes: boolean;
  readonly rank: Rank;
}

/** Machines of replaced units first, then the best rank; the lower id wins a tie because machines come in that order. */
function isBetter(left: Candidate, right: Candidate): boolean {
  if (left.takes !== right.takes) return left.takes;
  return isBetterRank(left.rank, right.rank);
}

/** Why a machine does not take all units of a group; null when it does. */
export function groupRefusal(pass: Pass, group: readonly PlannedUnit[], at: Place): Refusal | null {
  const [only] = group;
  if (only !== undefined && group.length === 1) return refusalOf(only, at, pass.context);
  const context: FilterContext = { ...pass.context, together: new Set(group.map((unit) => unit.name)) };
  const placed: PlannedUnit[] = [];
  let refusal: Refusal | null = null;
  for (const unit of group) {
    refusal = refusalOf(unit, at, context);
    if (refusal !== null) {
      const member = `${unit.name}, one of ${String(group.length)} units that share a machine`;
      refusal = { why: `${member}: ${refusal.why}`, detail: refusal.detail };
      break;
    }
    settle(pass, at, unit);
    placed.push(unit);
  }
  for (const unit of placed.toReversed()) remove(pass.ledger, at, unit);
  return refusal;
}

/** Takes the units that `unit` replaces off its machine. */
function pushOut(pass: Pass, unit: PlannedUnit, at: Place): readonly PlannedUnit[] {
  const replaced = replaceableUnits(unit, at).flatMap((name) => at.units.get(name) ?? []).filter((other) => !other.fixed);
  for (const other of replaced) takeOff(pass, { unit: other, at }, `replaced by ${unit.name}`);
  return replaced;
}

interface Circumstances {
  readonly replaced: readonly PlannedUnit[];
  readonly group: readonly PlannedUnit[];
  /** What made it the best machine, as a sentence. */
  readonly choice: string;
}

function whyHere({ section, adoptOn }: PlannedUnit, { replaced, group, choice }: Circumstances): string {
  const [first] = replaced;
  if (first !== undefined) return `it takes the place of ${first.name}`;
  if (adoptOn !== null) return 'it ran here when it was imported';
  if (section.machineId !== null) return 'its MachineID names this machine';
  if (section.machineOf.length > 0 && group.length === 1) return `this is the machine of ${section.machineOf.join(', ')}`;
  return choice;
}

/** Why a machine is the best of those that fit, before the unit is there. Most units have nothing but the load to say, and share the sentence. */
function sayChoice(choices: Pass['choices'], unit: PlannedUnit, at: Place): string {
  if (isRanked(unit)) return sayChosen(unit, at);
  const load = sayLoad(at);
  let said = choices.get(load);
  if (said === undefined) choices.set(load, said = sayChosen(unit, at));
  return said;
}

function sayChosen(unit: PlannedUnit, at: Place): string {
  const load = unit.section.placing.strategy === 'pack' ? 'most' : 'least';
  const clauses = sayRank(unit, at);
  const which = clauses.length === 0 ? `the ${load} loaded machine` : `${clauses.join('; ')}; of such machines the ${load} loaded`;
  return `${which} that fits (${sayLoad(at)} before it)`;
}
