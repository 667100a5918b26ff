/**
 * The units of a release that are on their way: what becomes of each now.
 * Promises: a unit counts only after it was healthy without interruption for as long as the strategy says; an old instance goes only
 * after the new one in its place has proved itself; what belongs to a goal that is no longer one is taken back.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import { shortMachineId } from '../machine.ts';
import type { UnplacedUnits } from '../schedule/decision.ts';
import type { SectionReader } from '../schedule/sections.ts';
import type { FileHash, UnitRecord } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import { whereaboutsOf } from '../whereabouts.ts';
import { judgeRun } from './health.ts';
import type { RunVerdict } from './health.ts';
import { isGone } from './members.ts';
import type { Member } from './members.ts';
import { goalOf } from './release.ts';
import type { ReleaseFailure, ReleaseMove, ReleaseRecord } from './release.ts';

/**
 * How long a failure is looked at before it counts: the machine may still speak of the run before, or of a port that fleet is about
 * to change.
 */
const failureGraceMs = 3_000;

/** A release and the moment it is looked at. */
export interface Scene {
  readonly name: UnitName;
  readonly record: ReleaseRecord;
  readonly snapshot: ClusterSnapshot;
  readonly unplaced: Pick<UnplacedUnits, 'get'>;
  readonly sections: SectionReader;
  readonly nowMs: number;
  readonly members: readonly Member[];
  /** The content that units are to get. */
  readonly hash: FileHash;
}

/** A unit's new record; null deletes it. */
export type UnitWrite = readonly [UnitName, UnitRecord | null];

/** What becomes of a move. */
export interface Advance {
  /** The move as it is from now on; null when it has ended. */
  readonly move: ReleaseMove | null;
  readonly units: readonly UnitWrite[];
  readonly failure: ReleaseFailure | null;
  /** Why the rest of the release goes in place; null when this says nothing about it. */
  readonly inPlaceWhy: string | null;
  /** A sentence about what happened; null when nothing did. */
  readonly why: string | null;
  /** Milliseconds until time alone may change something; null when it will not. */
  readonly dueMs: number | null;
}

const still = (move: ReleaseMove, dueMs: number | null = null): Advance =>
  ({ move, units: [], failure: null, inPlaceWhy: null, why: null, dueMs });
const ended = (why: string): Advance => ({ move: null, units: [], failure: null, inPlaceWhy: null, why, dueMs: null });

export function advanceMove(scene: Scene, move: ReleaseMove): Advance {
  if (move.phase === 'leaving') {
    const { old } = move;
    const hasLeft = old === null || scene.snapshot.units.has(old) || isGone(scene.snapshot, old);
    return hasLeft ? ended(`${old ?? move.unit} is gone`) : still(move);
  }
  if (move.generation !== goalOf(scene.record)) return takeBack(scene, move, `generation ${String(move.generation)} is no longer wanted`);
  if (move.phase === 'failed') return still(move);
  const verdict = judgeRun({ ...scene, ...move });
  switch (verdict.state) {
    case 'absent':
      return ended(`${move.unit} is not to run any more`);
    case 'unplaced':
      return move.old === null || isAway(scene.snapshot, move.old)
        ? wait(scene, move, verdict.why)
        : goInPlace(scene, { move, old: move.old }, verdict.why);
    case 'failed': {
      const graceMs = move.beganAtMs + failureGraceMs - scene.nowMs;
      return graceMs > 0 && graceMs <= failureGraceMs ? still(move, graceMs) : fail(scene, move, verdict.why);
    }
    case 'waiting':
      return wait(scene, move, verdict.why);
    case 'healthy':
      return prove(scene, move, verdict);
  }
}

/** How a move is called in sentences: "app@4.service in the place of app@1.service", "log.service on 1a2b3c4d...". */
export function moveLabel({ unit, old, machine }: Pick<ReleaseMove, 'unit' | 'old' | 'machine'>): string {
  if (machine !== null) return `${unit} on ${shortMachineId(machine)}`;
  return old === null ? unit : `${unit} in the place of ${old}`;
}

/** The record of a unit that is changed in place: another content, and a start anew. */
export function changedRecord(scene: Scene, before: UnitRecord): UnitRecord {
  return {
    ...before, hash: scene.hash, release: goalOf(scene.record), restart: before.restart + 1, generation: before.generation + 1,
    changedAtMs: scene.nowMs, changedBy: scene.record.by, adoptOn: null,
  };
}

/** Not healthy: waits on, up to the limit. */
function wait(scene: Scene, move: ReleaseMove, why: string): Advance {
  const { strategy } = scene.record;
  if (move.beganAtMs > scene.nowMs) {
    // The clock of the leader before was ahead, or was put back: nothing waits for it to come there again.
    return { ...still({ ...move, beganAtMs: scene.nowMs }), why: `${moveLabel(move)} is waited for from now on: it began in the future` };
  }
  const leftMs = move.beganAtMs + strategy.healthTimeoutMs + (move.old === null ? drainMs(scene, move.unit) : 0) - scene.nowMs;
  if (leftMs <= 0) return fail(scene, move, `not healthy within ${String(strategy.healthTimeoutMs / 1_000)} s: ${why}`);
  if (move.healthySinceMs === null) return still(move, leftMs);
  return { ...still({ ...move, healthySinceMs: null, run: '' }, leftMs), why: `${moveLabel(move)} is no longer healthy: ${why}` };
}

/** Healthy: since now, still, or for long enough. */
function prove(scene: Scene, move: ReleaseMove, { run }: RunVerdict & { state: 'healthy' }): Advance {
  const { minActiveMs } = scene.record.strategy;
  const isSame = move.healthySinceMs !== null && move.run === run && move.healthySinceMs <= scene.nowMs;
  const sinceMs = isSame && move.healthySinceMs !== null ? move.healthySinceMs : scene.nowMs;
  const leftMs = sinceMs + minActiveMs - scene.nowMs;
  if (leftMs <= 0) return complete(scene, move);
  if (isSame) return still(move, leftMs);
  return { ...still({ ...move, healthySinceMs: sinceMs, run }, leftMs), why: `${moveLabel(move)} is healthy` };
}

/** Proved: the old instance, if there is one, goes. */
function complete({ snapshot }: Scene, move: ReleaseMove): Advance {
  if (move.old === null || !snapshot.units.has(move.old)) return ended(`${moveLabel(move)} is done`);
  return {
    ...still({ ...move, phase: 'leaving' }), units: [[move.old, null]], why: `${move.unit} is healthy, ${move.old} goes`,
  };
}

/** A new instance that no machine takes: the old one makes room for itself. */
function goInPlace(scene: Scene, { move, old }: { readonly move: ReleaseMove; readonly old: UnitName }, why: string): Advance {
  const record = scene.snapshot.units.get(old);
  const inPlaceWhy = `no machine takes one more: ${why}`;
  const units: readonly UnitWrite[] = [[move.unit, null], ...record === undefined ? [] : [[old, changedRecord(scene, record)] as const]];
  const inPlace = record === undefined ? null : { ...move, unit: old, old: null, beganAtMs: scene.nowMs, healthySinceMs: null, run: '' };
  return { move: inPlace, units, failure: null, inPlaceWhy, why: `${old} goes in place: ${inPlaceWhy}`, dueMs: null };
}

/** Whether every machine that has a unit is away: it may be back in a moment, and until then nothing goes in place there either. */
function isAway(snapshot: ClusterSnapshot, name: UnitName): boolean {
  const holders = [...whereaboutsOf(snapshot, name)].filter((machine) => snapshot.assignments.get(machine)?.has(name) === true);
  return holders.length > 0 && holders.every((machine) => !snapshot.machines.has(machine));
}

/** Takes back a new instance whose old one is still there; whatever else was changed is changed again in its turn. */
function takeBack({ snapshot }: Scene, move: ReleaseMove, why: string): Advance {
  const { unit, old } = move;
  if (old === null || !snapshot.units.has(old) || !snapshot.units.has(unit)) return ended(`${moveLabel(move)}: ${why}`);
  return { ...still({ ...move, unit: old, old: unit, phase: 'leaving' }), units: [[unit, null]], why: `${unit} goes: ${why}` };
}

function fail(scene: Scene, move: ReleaseMove, why: string): Advance {
  const { unit, old, machine, generation } = move;
  const sentence = `${moveLabel(move)}: ${why}`;
  const failure = { unit: old ?? unit, machine, generation, why: sentence, atMs: scene.nowMs };
  return { ...still({ ...move, phase: 'failed', healthySinceMs: null, why }), failure, why: sentence };
}

/** Ends a move that failed and that the release can do without: a new instance goes, anything else stays as it is. */
export function giveUp(scene: Scene, move: ReleaseMove): Advance {
  return takeBack(scene, move, `it did not get healthy`);
}

/** How long a unit drains before it is stopped: by its file, before or after the change. */
function drainMs({ snapshot, sections, record }: Scene, unit: UnitName): number {
  const ofHash = (hash: FileHash): number => {
    const section = sections(snapshot.files, unit, hash);
    return section.ok ? section.value.drainMs : 0;
  };
  return Math.max(0, ...record.generations.filter(({ number }) => number === record.target || number === record.origin)
    .map(({ hash }) => ofHash(hash)));
}
