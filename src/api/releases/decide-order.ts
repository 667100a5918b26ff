/**
 * Pause, resume and undo: what they make of the record of a release. Pure.
 * Promises: an order that makes no sense now is refused and says what the release does; an undo goes back to a generation whose file
 * is still there.
 */
import { failure, success, type Result } from '../../core/failure.ts';
import { withOutcome } from '../../core/release/plan.ts';
import { generationOf, goalOf, isActive, type Generation, type ReleaseRecord } from '../../core/release/release.ts';
import type { SectionReader } from '../../core/schedule/sections.ts';
import type { UnitName } from '../../core/unit-name.ts';
import type { ReleaseOrder } from '../../protocol/releases.ts';
import type { Basis, Decision } from '../write/decision.ts';
import { begin, decisionOf, sceneOf, storedContent, templateTo, type ReleaseScene } from './decide-release.ts';

/** An order about a release. */
export interface OrderWish extends Pick<ReleaseOrder, 'action' | 'to'> {
  readonly name: UnitName;
  readonly by: string;
}

type Known = ReleaseScene & { readonly before: ReleaseRecord };

export function decideOrder(basis: Basis, wish: OrderWish, sections: SectionReader): Result<Decision<ReleaseRecord>> {
  const scene = sceneOf(basis, wish, sections);
  if (!scene.ok) return scene;
  const { before } = scene.value;
  if (before === undefined) return failure('RELEASE_NOT_FOUND', `there was no release of ${wish.name}`);
  const known: Known = { ...scene.value, before };
  switch (wish.action) {
    case 'pause':
      return pause(known);
    case 'resume':
      return resume(known);
    case 'undo':
      return undo(known, wish.to);
  }
}

function notActive({ name, before }: Known): Result<never> {
  return failure('RELEASE_NOT_ACTIVE', `no release of ${name} is under way: ${before.why === '' ? before.state : before.why}`);
}

function pause(scene: Known): Result<Decision<ReleaseRecord>> {
  const { before, by, basis } = scene;
  if (!isActive(before) || before.state === 'held') return notActive(scene);
  if (before.paused) return failure('RELEASE_NOT_ACTIVE', `the release of ${scene.name} is paused already`);
  const why = `paused${by === '' ? '' : ` by ${by}`}`;
  return success(decisionOf(scene, { record: { ...before, paused: true, why, changedAtMs: basis.nowMs } }));
}

/** Goes on: after a pause, or, when it is held, with another chance for what has failed. */
function resume(scene: Known): Result<Decision<ReleaseRecord>> {
  const { before, basis } = scene;
  if (!isActive(before)) return notActive(scene);
  if (!before.paused && before.state !== 'held') {
    return failure('RELEASE_NOT_ACTIVE', `the release of ${scene.name} is neither paused nor held`);
  }
  const moves = before.moves.map((move) =>
    move.phase === 'failed' ? { ...move, phase: 'starting' as const, beganAtMs: basis.nowMs, why: '' } : move,
  );
  const isHeld = before.state === 'held';
  const record: ReleaseRecord = {
    ...before,
    moves,
    state: isHeld ? 'rolling' : before.state,
    failures: isHeld ? [] : before.failures,
    paused: false,
    why: '',
    strategy: { ...before.strategy, pause: false },
    changedAtMs: basis.nowMs,
  };
  return success(decisionOf(scene, { record }));
}

/** Back: from a release on its way to where it came from, otherwise to an earlier generation, as a new one. */
function undo(scene: Known, to: number | undefined): Result<Decision<ReleaseRecord>> {
  const { before, basis, by } = scene;
  if (isActive(before) && (to === undefined || to === before.origin)) {
    if (before.state === 'rolling-back') return failure('CONFLICT', `the release of ${scene.name} is going back already: ${before.why}`);
    const why = `undone${by === '' ? '' : ` by ${by}`}`;
    const origin = generationOf(before, before.origin);
    if (origin === undefined) return failure('GENERATION_NOT_FOUND', `${scene.name} has nothing to go back to`);
    const record: ReleaseRecord = {
      ...before,
      state: 'rolling-back',
      paused: false,
      why,
      batches: 0,
      generations: withOutcome(before, { outcome: 'left', why }),
      changedAtMs: basis.nowMs,
    };
    return success(decisionOf(scene, { record, units: templateTo(scene, { hash: origin.hash, release: origin.number }) }));
  }
  const generation = to === undefined ? generationBefore(before) : generationOf(before, to);
  if (generation === undefined) return notKept(scene, to);
  const content = storedContent(scene, generation.hash);
  if (!content.ok) return content;
  return success(begin(scene, { ...content.value, strategy: before.strategy, undoOf: generation.number }));
}

/** The newest generation that was everywhere and had another content than the present one. */
function generationBefore(before: ReleaseRecord): Generation | undefined {
  const goal = goalOf(before);
  const present = generationOf(before, goal)?.hash;
  return before.generations.findLast(({ number, outcome, hash }) => number < goal && outcome === 'done' && hash !== present);
}

function notKept({ name, before }: Known, to: number | undefined): Result<never> {
  const kept = before.generations.map(({ number }) => String(number)).join(', ');
  const what = to === undefined ? 'no earlier generation with another file' : `no generation ${String(to)}`;
  return failure('GENERATION_NOT_FOUND', `${name} has ${what}; kept are ${kept}`);
}
