/**
 * Rebalancing: units of machines with many move to machines with few, because a person asked for it.
 * Promises: pure. A move lowers the load of the fuller machine and leaves the other one no fuller than that, so it ends by itself and
 * no machine ever has more than the fullest had. Units that share a machine move together; global units, units that say themselves
 * where they would rather be, what cannot be read, what would push others out and, unless asked for, fenced units stay. A machine that
 * is cordoned or drained gets nothing.
 */
import type { ClusterSnapshot, Rebalance } from '../cluster.ts';
import { limits } from '../limits.ts';
import { shortMachineId } from '../machine.ts';
import type { MachineId } from '../machine.ts';
import { compareText } from '../order.ts';
import type { UnitName } from '../unit-name.ts';
import { decide } from './decide.ts';
import type { Decision } from './decision.ts';
import { unitsOnTheirWay, unitsThatShare } from './drain.ts';
import { replaceableUnits } from './filters.ts';
import { remove, setAside } from './ledger.ts';
import type { Place, PlannedUnit } from './ledger.ts';
import { beginPass } from './pass.ts';
import type { Circumstances, Pass } from './pass.ts';
import { groupRefusal, settleOn } from './placing.ts';
import { isRanked } from './rank.ts';
import { settleUnits } from './schedule.ts';
import { runSteps } from './steps.ts';

/** Units that change their machine together, and what two machines have before and after. */
export interface RebalanceMove {
  readonly units: readonly UnitName[];
  readonly from: MachineId;
  readonly to: MachineId;
  readonly fromLoad: { readonly before: number; readonly after: number };
  readonly toLoad: { readonly before: number; readonly after: number };
}

/** What a rebalance may move. */
export type RebalanceWish = Pick<Rebalance, 'fenced'>;

/** What is to be done now, and whether the rebalance has ended. */
export interface RebalanceStep {
  readonly decisions: readonly Decision[];
  readonly isOver: boolean;
}

/** All moves that a rebalance would make from here on, in order; at most limits.rebalanceMovesShown. */
export function planRebalance(snapshot: ClusterSnapshot, wish: RebalanceWish, circumstances: Circumstances = {}): readonly RebalanceMove[] {
  return makeMoves(settledPass(snapshot, circumstances), wish, limits.rebalanceMovesShown);
}

/** The next moves of the rebalance that goes on, and whether it has ended: nothing is left to move and nothing on its way. */
export function rebalanceStep(snapshot: ClusterSnapshot, circumstances: Circumstances): RebalanceStep {
  const { rebalance } = snapshot;
  if (rebalance === null) return { decisions: [], isOver: false };
  const pass = settledPass(snapshot, circumstances);
  const onTheirWay = unitsOnTheirWay(snapshot, rebalance.sinceMs);
  const room = limits.drainMovesMax - onTheirWay;
  const moves = room <= 0 ? [] : makeMoves(pass, rebalance, room);
  if (moves.length === 0) return { decisions: [], isOver: onTheirWay === 0 };
  return { decisions: runSteps(decide(pass)), isOver: false };
}

/** A pass in which every unit is where the scheduler wants it. */
function settledPass(snapshot: ClusterSnapshot, circumstances: Circumstances): Pass {
  const pass = beginPass(snapshot, circumstances);
  runSteps(settleUnits(pass));
  return pass;
}

function makeMoves(pass: Pass, wish: RebalanceWish, unitsMax: number): readonly RebalanceMove[] {
  const moves: RebalanceMove[] = [];
  let room = unitsMax;
  while (room > 0) {
    const move = makeMove(pass, wish);
    if (move === null) break;
    moves.push(move);
    room -= move.units.length;
  }
  return moves;
}

/** Makes the move that is worth most: from the fullest machine that can give to the emptiest one that takes; null when there is none. */
function makeMove(pass: Pass, wish: RebalanceWish): RebalanceMove | null {
  const places = [...pass.ledger.places.values()].sort((left, right) => left.load - right.load || compareText(left.machine.id, right.machine.id));
  for (const from of [...places].reverse()) {
    if (from.machine.drain !== null) continue;
    for (const group of groupsOf(from, wish)) {
      const to = places.find((at) => at !== from && isWorth(group, from, at) && takes(pass, group, { from, at }));
      if (to !== undefined) return settleMove(pass, group, { from, to });
    }
  }
  return null;
}

/** Units of a machine that may leave it, with those they share it with; smaller groups first, because they even out best. */
function groupsOf(from: Place, { fenced }: RebalanceWish): readonly (readonly PlannedUnit[])[] {
  const seen = new Set<UnitName>();
  const groups: (readonly PlannedUnit[])[] = [];
  for (const name of [...from.units.keys()].sort(compareText)) {
    const unit = from.units.get(name);
    if (unit === undefined || seen.has(name)) continue;
    const group = unitsThatShare(from, unit);
    for (const each of group) seen.add(each.name);
    if (group.every((each) => mayLeave(each, fenced))) groups.push(group);
  }
  return groups.sort((left, right) => weightOf(left) - weightOf(right));
}

function mayLeave(unit: PlannedUnit, fenced: boolean): boolean {
  const { section, fixed, adoptOn } = unit;
  return !fixed && !section.global && adoptOn === null && !isRanked(unit) && (fenced || section.onMachineLost === 'keep');
}

/** What "least loaded" counts of these units. */
function weightOf(group: readonly PlannedUnit[]): number {
  return group.reduce((sum, { section }) => sum + (section.placing.weight ?? 1), 0);
}

/** Whether the difference between two machines gets smaller by two at least, and does not turn around. */
function isWorth(group: readonly PlannedUnit[], from: Place, to: Place): boolean {
  const weight = weightOf(group);
  return weight >= 1 && from.load - to.load >= 2 * weight;
}

/** Whether a machine would take these units without pushing others out. Units are looked at as if they had left already. */
function takes(pass: Pass, group: readonly PlannedUnit[], { from, at }: { readonly from: Place; readonly at: Place }): boolean {
  const putBack = setAside(pass.ledger, from, group);
  const fits = groupRefusal(pass, group, at) === null && group.every((unit) => replaceableUnits(unit, at).length === 0);
  putBack();
  return fits;
}

function settleMove(pass: Pass, group: readonly PlannedUnit[], { from, to }: { readonly from: Place; readonly to: Place }): RebalanceMove {
  const before = { from: from.load, to: to.load };
  const ids = { from: from.machine.id, to: to.machine.id };
  const why = `the cluster is rebalanced: ${shortMachineId(ids.from)} has ${String(before.from)}, ${shortMachineId(ids.to)} ${String(before.to)}`;
  for (const unit of group) {
    remove(pass.ledger, from, unit);
    pass.goes.set({ unit: unit.name, machine: ids.from }, why);
  }
  settleOn(pass, group, to);
  return {
    units: group.map(({ name }) => name), ...ids,
    fromLoad: { before: before.from, after: from.load }, toLoad: { before: before.to, after: to.load },
  };
}
