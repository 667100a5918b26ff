/**
 * The next batch of a release: which units are changed together now, and how.
 * Promises: never more than the batch says; an instance that can be replaced by a new one is, when a surge is wanted; a unit that does
 * not run is changed without waiting for it.
 */
import { limits } from '../limits.ts';
import { restartBeyondTraces } from '../restart-traces.ts';
import type { UnitRecord } from '../unit.ts';
import { isTemplate } from '../unit-name.ts';
import type { UnitName } from '../unit-name.ts';
import { countSlots, followedUnits, freeInstances, outdatedSlots, quietMembers } from './members.ts';
import type { Slot } from './members.ts';
import { changedRecord, moveLabel } from './moves.ts';
import type { Scene } from './moves.ts';
import { goalOf } from './release.ts';
import type { ReleaseMove, ReleaseRecord, ReleaseStep } from './release.ts';

/** Changes what does not run; null when there is nothing. */
export function changeQuietly(scene: Scene): ReleaseStep | null {
  const quiet = quietMembers(scene.snapshot, scene.record, scene.members).slice(0, limits.releaseBatchMax);
  if (quiet.length === 0) return null;
  return {
    name: scene.name, why: `${quiet.map(({ name }) => name).join(', ')}: changed, not running`,
    record: { ...scene.record, changedAtMs: scene.nowMs },
    units: new Map(quiet.map(({ name, record }) => [name, changedRecord(scene, record)])),
  };
}

/** Begins with the next batch, or pauses before it; null when nothing is left to change. */
export function beginBatch(scene: Scene): ReleaseStep | null {
  const { record, members, snapshot, nowMs, name } = scene;
  const outdated = outdatedSlots(snapshot, record, members);
  if (outdated.length === 0) return null;
  if (record.state === 'rolling' && record.strategy.pause && record.batches === 1) {
    const why = `paused after the first batch, ${String(outdated.length)} to go`;
    return { name, why, record: { ...record, paused: true, why, changedAtMs: nowMs }, units: new Map() };
  }
  const slots = outdated.slice(0, batchSize(record, countSlots(snapshot, members)));
  const surging = slotsThatSurge(scene, slots);
  const fresh = isTemplate(name) ? freeInstances(snapshot, name, surging.length) : [];
  const units = new Map<UnitName, UnitRecord | null>();
  const moves = slots.map((slot): ReleaseMove => {
    const instance = fresh[surging.indexOf(slot)];
    const before = slot.member.record;
    if (instance !== undefined) units.set(instance, newRecord(scene, instance));
    else if (before.release !== goalOf(record)) units.set(slot.member.name, inPlaceRecord(scene, slot));
    const [unit, old] = instance === undefined ? [slot.member.name, null] : [instance, slot.member.name];
    return {
      unit, old, machine: slot.machine, generation: goalOf(record), phase: 'starting', beganAtMs: nowMs, healthySinceMs: null, run: '', why: '',
    };
  });
  // Why it goes back is said as long as it does.
  const stateWhy = record.state === 'rolling' ? '' : record.why;
  const why = `batch ${String(record.batches + 1)}: ${moves.map(moveLabel).join(', ')}`;
  return { name, why, record: { ...record, moves, why: stateWhy, batches: record.batches + 1, changedAtMs: nowMs }, units };
}

/** How many units are changed at a time, of `total`. */
function batchSize({ strategy: { batch } }: ReleaseRecord, total: number): number {
  const wanted = batch.percent ? Math.floor(total * batch.amount / 100) : batch.amount;
  return Math.min(Math.max(1, wanted), limits.releaseBatchMax);
}

/** Units that are replaced by new instances: numbered ones of a template that no other unit follows. All others go in place. */
function slotsThatSurge({ name, record, snapshot, sections }: Scene, slots: readonly Slot[]): readonly Slot[] {
  if (record.strategy.way === 'in-place' || record.inPlaceWhy !== '' || !isTemplate(name)) return [];
  const followed = followedUnits(snapshot, sections);
  return slots.filter(({ member, machine }) => machine === null && member.number !== null && !followed.has(member.name));
}

/** A new instance. */
function newRecord({ record, hash, nowMs, snapshot }: Scene, name: UnitName): UnitRecord {
  return {
    hash, desired: 'launched', generation: 1, restart: restartBeyondTraces(snapshot, name), reset: 0, release: goalOf(record), changedAtMs: nowMs,
    changedBy: record.by, adoptOn: null,
  };
}

/**
 * A unit under its own name. A global one that goes back gets exactly the record it had: machines that never left it are not
 * restarted.
 */
function inPlaceRecord(scene: Scene, { member, machine }: Slot): UnitRecord {
  const changed = changedRecord(scene, member.record);
  const isBack = machine !== null && scene.record.state === 'rolling-back';
  return isBack ? { ...changed, restart: Math.max(0, member.record.restart - 1) } : changed;
}
