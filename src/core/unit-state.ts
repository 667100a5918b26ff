/**
 * Where a unit stands, in the words people and clients use, from what its machine reported.
 * Promises: a state is observed, never assumed: "launched" is never said of a unit that failed or that nobody has seen.
 */
import type { Assignment, CurrentState, DesiredState } from './unit.ts';

/** What a machine reported about a unit: the part of UnitStatus that this file reads, so that clients can ask it, too. */
export interface SeenStatus {
  readonly hash: string;
  readonly load: string;
  readonly active: string;
  readonly sub: string;
  readonly result: string;
  readonly exitStatus: number | null;
  readonly succeeded: boolean;
  readonly restart: number;
  readonly problem: string;
  readonly portsInDoubt: boolean;
}

/** What was decided about a unit: the part of Assignment that this file reads. */
export interface SeenAssignment {
  readonly hash: string;
  readonly desired: Assignment['desired'];
  readonly restart: number;
}

/**
 * What a unit does on its machine:
 * - `stopped`: not started since it was loaded or stopped
 * - `starting`, `running`, `stopping`: systemd's activating, active and deactivating
 * - `restarting`: it ended, and systemd waits before it starts it again (Restart=)
 * - `done`: it ran to its end with success; `ended`: it was started, no longer runs, and did not fail
 * - `failed`: it failed, or its file cannot be loaded
 */
export type Phase = 'stopped' | 'starting' | 'running' | 'restarting' | 'stopping' | 'done' | 'ended' | 'failed';

export function phaseOf(status: SeenStatus): Phase {
  switch (status.active) {
    case 'active':
    case 'reloading':
    case 'refreshing':
    case 'maintenance':
      return 'running';
    case 'activating':
      return status.sub.startsWith('auto-restart') ? 'restarting' : 'starting';
    case 'deactivating':
      return 'stopping';
    case 'failed':
      return 'failed';
    default:
      return phaseOfInactive(status);
  }
}

function phaseOfInactive(status: SeenStatus): Phase {
  if (status.load !== 'loaded') return 'failed';
  if (status.succeeded) return 'done';
  // Also when it was outdated, and what ran before has ended by now.
  if (status.restart < 0) return 'stopped';
  return status.result === 'success' ? 'ended' : 'failed';
}

/** Why a unit failed, in a few words: "its file cannot be loaded (bad-setting)", "result exit-code, exit status 3". */
export function failureOf(status: SeenStatus): string {
  if (status.load !== 'loaded') return `its file cannot be loaded (${status.load})`;
  const exit = status.exitStatus === null ? '' : `, exit status ${String(status.exitStatus)}`;
  return `result ${status.result}${exit}`;
}

/** Why a unit is one of the failed ones, for people; null when it is none of them. */
export function whyFailed(status: SeenStatus): string | null {
  if (status.problem !== '') return status.problem;
  return phaseOf(status) === 'failed' ? failureOf(status) : null;
}

/**
 * fleet 1.0's currentState of a unit on its machine: `inactive` (nowhere, or not reported yet), `loaded`, or `launched`,
 * which here means that it runs or has done its work, not that somebody once asked for it.
 */
export function currentState(assignment: SeenAssignment | undefined, status: SeenStatus | undefined): CurrentState {
  if (assignment === undefined || status === undefined) return 'inactive';
  switch (phaseOf(status)) {
    case 'running':
    case 'starting':
    case 'stopping':
      return 'launched';
    case 'done':
    case 'ended':
      return assignment.desired === 'launched' ? 'launched' : 'loaded';
    case 'stopped':
    case 'restarting':
    case 'failed':
      return status.load === 'loaded' ? 'loaded' : 'inactive';
  }
}

/** What a person asked for and waits for. */
export interface Wanted {
  readonly hash: string;
  readonly desired: DesiredState;
  readonly restart: number;
}

/** Whether a wish is fulfilled. `why` says what is waited for, or what went wrong; it is empty when reached. */
export interface Settlement {
  readonly state: 'waiting' | 'reached' | 'failed';
  readonly why: string;
}

const reached: Settlement = { state: 'reached', why: '' };
const waiting = (why: string): Settlement => ({ state: 'waiting', why });
const failed = (why: string): Settlement => ({ state: 'failed', why });

/**
 * Whether a unit has got where it was wanted on one machine. For a unit that is on no machine both others are undefined.
 * What a machine reported about an older file or an older restart generation settles nothing.
 */
export function settled(
  wanted: Wanted, assignment: SeenAssignment | undefined, status: SeenStatus | undefined,
): Settlement {
  if (wanted.desired === 'inactive') {
    if (assignment !== undefined) return waiting('the engine has not taken it off its machine yet');
    return status === undefined ? reached : waiting(`its machine still has it: ${status.active} (${status.sub})`);
  }
  if (assignment === undefined) return waiting('it is on no machine yet');
  if (assignment.desired !== wanted.desired || assignment.hash !== wanted.hash || assignment.restart < wanted.restart) {
    return waiting('the engine has not passed on the latest wish yet');
  }
  if (status === undefined) return waiting('its machine has not reported yet');
  if (status.problem !== '') return failed(status.problem);
  if (status.hash !== wanted.hash) return waiting('its machine still has the former file');
  return wanted.desired === 'launched' ? settledLaunched(wanted, status) : settledLoaded(status);
}

function settledLaunched(wanted: Wanted, status: SeenStatus): Settlement {
  const phase = phaseOf(status);
  if (status.restart < wanted.restart) {
    if (phase === 'failed' && status.load !== 'loaded') return failed(failureOf(status));
    return waiting(phase === 'running' ? 'its machine has not restarted it yet' : 'its machine has not started it yet');
  }
  switch (phase) {
    case 'running':
    case 'done':
      return reached;
    case 'starting':
    case 'stopping':
    case 'stopped':
      return waiting(`it is ${status.active} (${status.sub})`);
    case 'restarting':
      return waiting(`it ended with ${failureOf(status)}, and is started again`);
    case 'ended':
      return failed(`it was started and has ended with ${failureOf(status)}`);
    case 'failed':
      if (status.portsInDoubt) return waiting('it failed, maybe because its port is in use: then it is given the next one');
      return failed(`it failed: ${failureOf(status)}`);
  }
}

function settledLoaded(status: SeenStatus): Settlement {
  switch (phaseOf(status)) {
    case 'running':
    case 'starting':
    case 'restarting':
    case 'stopping':
      return waiting(`it is still ${status.active} (${status.sub})`);
    case 'stopped':
    case 'done':
    case 'ended':
    case 'failed':
      return status.load === 'loaded' ? reached : failed(failureOf(status));
  }
}
