/**
 * Releases as a pure function: what the engine does next for each of them.
 * Promises: at most one step for a release, to be carried out in one commit; a step follows from the store and the time alone, so any
 * engine goes on where another one stopped; no more units than the batch are changed at a time, and none while the release is paused
 * or held; a release that cannot go on says why.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import { limits } from '../limits.ts';
import { compareText } from '../order.ts';
import type { UnplacedUnits } from '../schedule/decision.ts';
import type { SectionReader } from '../schedule/sections.ts';
import { isTemplate } from '../unit-name.ts';
import type { UnitName } from '../unit-name.ts';
import { beginBatch, changeQuietly } from './batch.ts';
import { membersOf } from './members.ts';
import { advanceMove, giveUp } from './moves.ts';
import type { Advance, Scene, UnitWrite } from './moves.ts';
import { generationOf, goalOf, isActive } from './release.ts';
import type { Generation, ReleaseFailure, ReleaseRecord, ReleaseStep } from './release.ts';

/** What releases are decided from. */
export interface ReleaseBasis {
  readonly snapshot: ClusterSnapshot;
  /** What the scheduler could place nowhere, and why. */
  readonly unplaced: Pick<UnplacedUnits, 'get'>;
  readonly sections: SectionReader;
  readonly nowMs: number;
}

export interface ReleasePlan {
  readonly steps: readonly ReleaseStep[];
  /** Milliseconds until time alone may ask for a step; null when it will not. */
  readonly dueMs: number | null;
}

/** The next step of every release. */
export function planReleases(basis: ReleaseBasis): ReleasePlan {
  const steps: ReleaseStep[] = [];
  let dueMs: number | null = null;
  for (const [name, record] of [...basis.snapshot.releases].sort(([left], [right]) => compareText(left, right))) {
    const next = planRelease(basis, name, record);
    if (next.step !== null) steps.push(next.step);
    dueMs = earlier(dueMs, next.dueMs);
  }
  return { steps, dueMs };
}

interface Next {
  readonly step: ReleaseStep | null;
  readonly dueMs: number | null;
}

const nothing: Next = { step: null, dueMs: null };

function planRelease(basis: ReleaseBasis, name: UnitName, record: ReleaseRecord): Next {
  const { snapshot } = basis;
  const goal = generationOf(record, goalOf(record));
  const members = isActive(record) || !snapshot.units.has(name) ? membersOf(snapshot, name, basis.sections) : [];
  if (members.length === 0 && !snapshot.units.has(name)) return forget(snapshot, name);
  if (!isActive(record) || goal === undefined) return nothing;
  const scene: Scene = { ...basis, name, record, members, hash: goal.hash };
  const advances = record.moves.map((move) => advanceMove(scene, move));
  const dueMs = advances.reduce<number | null>((due, advance) => earlier(due, advance.dueMs), null);
  if (advances.some(({ why }) => why !== null)) return { step: settleMoves(scene, advances), dueMs };
  if (record.moves.length > 0 || record.paused || record.state === 'held') return { step: null, dueMs };
  return { step: changeQuietly(scene) ?? beginBatch(scene) ?? finish(scene), dueMs: null };
}

/** A release that is about nothing any more is forgotten, unless something that it may be about cannot be read. */
function forget(snapshot: ClusterSnapshot, name: UnitName): Next {
  if ([...snapshot.unreadable.keys()].some((key) => key.startsWith('units/'))) return nothing;
  return { step: { name, why: 'all units of the release were destroyed', record: null, units: new Map() }, dueMs: null };
}

/** Writes down what became of the moves, and what the release makes of failures. */
function settleMoves(scene: Scene, advances: readonly Advance[]): ReleaseStep {
  const { record, nowMs } = scene;
  const found = advances.flatMap(({ failure }) => failure ?? []);
  const failures = [...record.failures, ...found].slice(-limits.releaseFailuresKept);
  const whys = advances.flatMap(({ why }) => why ?? []);
  const inPlaceWhy = advances.find((advance) => advance.inPlaceWhy !== null)?.inPlaceWhy ?? record.inPlaceWhy;
  const next: ReleaseRecord = {
    ...record, failures, inPlaceWhy, changedAtMs: nowMs, moves: advances.flatMap(({ move }) => move ?? []),
  };
  const units: readonly UnitWrite[] = advances.flatMap((advance) => advance.units);
  const decided = found.length === 0 ? { record: next, units } : decideOnFailure({ ...scene, record: next }, { found, units });
  return { name: scene.name, why: whys.join('; '), record: decided.record, units: new Map(decided.units) };
}

interface Failed {
  readonly found: readonly ReleaseFailure[];
  readonly units: readonly UnitWrite[];
}

function decideOnFailure(scene: Scene, { found, units }: Failed): { record: ReleaseRecord; units: readonly UnitWrite[] } {
  const { record } = scene;
  const count = record.failures.filter(({ generation }) => generation === goalOf(record)).length;
  const isTolerated = record.state === 'rolling-back' || count <= record.strategy.maxFailures;
  if (isTolerated) {
    const given = record.moves.map((move) => (move.phase === 'failed' ? giveUp(scene, move) : null));
    const moves = record.moves.flatMap((move, index) => (given[index] ?? { move }).move ?? []);
    return { record: { ...record, moves }, units: [...units, ...given.flatMap((advance) => advance?.units ?? [])] };
  }
  const why = found.map((failure) => failure.why).join('; ');
  if (!record.strategy.rollback) return { record: { ...record, state: 'held', why: `held: ${why}` }, units };
  return {
    record: {
      ...record, state: 'rolling-back', paused: false, batches: 0, why: `going back to generation ${String(record.origin)}: ${why}`,
      generations: withOutcome(record, { outcome: 'failed', why }),
    },
    units: [...units, ...templateBack(scene)],
  };
}

/** New instances are made with the content of the origin again. */
function templateBack({ snapshot, name, record, nowMs }: Scene): readonly UnitWrite[] {
  const template = snapshot.units.get(name);
  const origin = generationOf(record, record.origin);
  if (!isTemplate(name) || template?.release !== record.target || origin === undefined) return [];
  return [[name, {
    ...template, hash: origin.hash, release: origin.number, generation: template.generation + 1, changedAtMs: nowMs, changedBy: record.by,
  }]];
}

/** Nothing is left to change. */
function finish({ name, record, nowMs }: Scene): ReleaseStep {
  const failed = record.failures.filter(({ generation }) => generation === goalOf(record));
  const flaw = failed.length === 0 ? '' : `, except ${failed.map(({ why }) => why).join('; ')}`;
  const isBack = record.state === 'rolling-back';
  const why = `generation ${String(goalOf(record))} is ${isBack ? 'back ' : ''}everywhere${flaw}`;
  const next: ReleaseRecord = isBack
    ? { ...record, state: 'rolled-back', why: `${record.why}${flaw}`, changedAtMs: nowMs }
    : { ...record, state: 'done', why, generations: withOutcome(record, { outcome: 'done', why: flaw.slice(2) }), changedAtMs: nowMs };
  return { name, why, record: next, units: new Map() };
}

/** The generations with what became of the target. */
export function withOutcome(record: ReleaseRecord, outcome: Pick<Generation, 'outcome' | 'why'>): readonly Generation[] {
  return record.generations.map((generation) => (generation.number === record.target ? { ...generation, ...outcome } : generation));
}

function earlier(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}
