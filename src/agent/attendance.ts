/**
 * Looks after the units that run here: has them checked, and sees to it that they drain before they are stopped.
 * Promises: what it says of a unit is about the run that is seen; what it knows outlives fleetd.
 */
import type { HealthState } from '../core/health.ts';
import { isServing, leftMs } from '../core/reconcile/drain.ts';
import type { Drain } from '../core/reconcile/drain.ts';
import type { UnitStatus } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Clock } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import type { Bell } from '../lib/wakeups.ts';
import type { Observation } from '../runner/runner.ts';
import type { CareBook, Seen } from './care-book.ts';
import { createHealthWatch } from './health-watch.ts';
import type { Patient, Probe } from './health-watch.ts';

export interface AttendanceNeeds {
  readonly book: CareBook;
  readonly probe: Probe;
  readonly clock: Clock;
  readonly random: Random;
  /** Rung when something to report has changed. */
  readonly bell: Bell;
}

/** What attendance adds to the status of a unit. */
export type Attention = Pick<UnitStatus, 'health' | 'healthWhy' | 'draining' | 'ports'>;

const nothing: Attention = { health: 'none', healthWhy: '', draining: false, ports: {} };

export interface Attendance {
  /** Takes over what is seen of the machine, and writes it down. */
  look(seen: Seen): Promise<void>;
  drains(longestMs: number): ReadonlyMap<UnitName, Drain>;
  statusOf(observation: Observation): Attention;
  /** Units drain from now on. */
  drain(names: readonly UnitName[]): Promise<void>;
  /** Units do not drain any more. */
  undrain(names: readonly UnitName[]): Promise<void>;
  /** Notes that units were stopped or restarted. */
  noteStopped(names: readonly UnitName[]): void;
  /** Milliseconds until the next unit has drained; null when none drains. */
  nextMs(longestMs: number): number | null;
  /** Has units checked until the signal is aborted. Rejects on a bug. */
  run(signal: AbortSignal): Promise<void>;
}

export function createAttendance({ book, probe, clock, random, bell }: AttendanceNeeds): Attendance {
  const watch = createHealthWatch({
    probe, clock, random,
    onChange(name, health): void {
      book.note(name, { health });
      bell.wake();
    },
  });
  const noteAll = async (names: readonly UnitName[], drainsSinceMs: number | null): Promise<void> => {
    for (const name of names) book.note(name, { drainsSinceMs, stopped: false });
    await book.save();
  };
  return {
    async look(seen): Promise<void> {
      book.learn(seen);
      watch.follow(patientsOf(book, seen));
      await book.save();
    },
    drains: book.drains,
    statusOf: (observation) => statusOf(book, observation),
    drain: (names) => noteAll(names, clock.uptimeMs()),
    undrain: (names) => noteAll(names, null),
    noteStopped(names): void {
      for (const name of names) book.note(name, { stopped: true });
    },
    nextMs(longestMs): number | null {
      const left = [...book.drains(longestMs).values()].map((drain) => leftMs(drain, clock.uptimeMs())).filter((each) => each > 0);
      return left.length === 0 ? null : Math.min(...left);
    },
    run: watch.run,
  };
}

/** Who is to be asked: what has a check and serves. What drains is asked on, so that people see how it fares. */
function patientsOf(book: CareBook, { observations }: Seen): ReadonlyMap<UnitName, Patient> {
  const patients = new Map<UnitName, Patient>();
  for (const [name, { care, run, renderedHash, health }] of book.attended()) {
    const seen = observations.get(name);
    if (care.healthCheck === null || !isServing(seen?.active ?? '')) continue;
    patients.set(name, { care, run, renderedHash, health, mainPid: seen?.mainPid ?? 0 });
  }
  return patients;
}

function statusOf(book: CareBook, { name, active }: Observation): Attention {
  const known = book.attended().get(name);
  if (known === undefined || !isServing(active)) return nothing;
  const { care, drainsSinceMs, health } = known;
  const verdict: Pick<HealthState, 'health' | 'why'> = health ?? { health: 'starting', why: '' };
  return {
    health: care.healthCheck === null ? 'none' : verdict.health, healthWhy: verdict.why, draining: drainsSinceMs !== null, ports: care.ports,
  };
}
