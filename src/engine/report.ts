/**
 * What the engine tells others about itself: state and counters, read by the API for /metrics, /healthz and the debug page.
 * Promises: plain data, written by the engine alone; nothing in it decides anything.
 */
import type { Decision, SchedulePlan } from '../core/schedule/decision.ts';

/** `following`: another engine leads, or none does yet. `leading`: this one decides. */
export interface EngineReport {
  role: 'following' | 'leading';
  /** Clock.uptimeMs() since when. */
  roleSinceMs: number;
  /** Times this engine came to lead. */
  terms: number;
  passes: number;
  lastPassMs: number;
  decisions: Record<Decision['kind'], number>;
  commits: number;
  /** Commits whose guards did not hold: somebody changed what they were about; decided again. */
  refusedCommits: number;
  /** Commits without an answer: found out, and decided again. */
  unansweredCommits: number;
  filesDeleted: number;
  /** Steps of releases taken. */
  releaseSteps: number;
  /** What the last pass said; null before the first. */
  lastPlan: SchedulePlan | null;
}

export function createEngineReport(): EngineReport {
  return {
    role: 'following', roleSinceMs: 0, terms: 0, passes: 0, lastPassMs: 0,
    decisions: { assign: 0, update: 0, move: 0, unassign: 0 }, commits: 0, refusedCommits: 0, unansweredCommits: 0, filesDeleted: 0, releaseSteps: 0,
    lastPlan: null,
  };
}
