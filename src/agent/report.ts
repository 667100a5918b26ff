/**
 * What the agent tells others about itself, read by the API for /metrics, /readyz and the debug page.
 * Promises: written by the agent alone; nothing in it decides anything, but that the engine beside it goes by how steadily the store answers.
 */
import type { Step, StepKind } from '../core/reconcile/step.ts';

/**
 * Where this machine stands in the cluster. `joining`: it has not registered yet. `present`: it is registered, its lease lives.
 * `taken`: another machine has the same id; this one waits and runs nothing new. `away`: the store does not answer, or the lease
 * has expired; units go on.
 */
export interface PresenceState {
  readonly state: 'joining' | 'present' | 'taken' | 'away';
  /** One line for people; empty when present. */
  readonly why: string;
  /** Clock.uptimeMs() since when. */
  readonly sinceMs: number;
}

export interface AgentReport {
  presence: PresenceState;
  /** Since when every renewal of this machine's lease was confirmed in time (Clock.uptimeMs()); null while it has none. */
  steadySinceMs: () => number | null;
  /** What keeps this machine from taking new units, one line; empty when nothing does. */
  trouble: string;
  /** Whether this machine's assignments have been heard since the agent began. */
  assignmentsKnown: boolean;
  passes: number;
  lastPassMs: number;
  steps: Record<StepKind, number>;
  /** Steps that a unit's runner or file did not allow; they are tried again. */
  failedSteps: number;
  statusCommits: number;
  /** Commits of statuses that were refused or got no answer; written again. */
  failedStatusCommits: number;
  /** The last plan that was not empty. */
  lastPlan: readonly Step[];
}

export function createAgentReport(): AgentReport {
  return {
    presence: { state: 'joining', why: 'the store has not answered yet', sinceMs: 0 }, steadySinceMs: () => null, trouble: '', assignmentsKnown: false,
    passes: 0, lastPassMs: 0, failedSteps: 0, statusCommits: 0, failedStatusCommits: 0, lastPlan: [],
    steps: { fetch: 0, drain: 0, undrain: 0, stop: 0, unload: 0, load: 0, reload: 0, reset: 0, lower: 0, raise: 0, start: 0, restart: 0 },
  };
}
