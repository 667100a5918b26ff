/**
 * Asks the units that run here whether they are well, each at its own pace.
 * Promises: checks of one unit never overlap and those of all units are bounded; a check that does not answer in its time has
 * failed; a run that was healthy before fleetd was restarted counts as healthy until a check says otherwise; a unit that was
 * started anew is asked anew.
 */
import { afterCheck, startingHealth } from '../core/health.ts';
import type { HealthState } from '../core/health.ts';
import { probeRequest } from '../core/unit-care.ts';
import type { ProbeRequest } from '../core/unit-care.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Clock } from '../lib/clock.ts';
import { DeadlineExceeded, withDeadline } from '../lib/deadline.ts';
import type { Random } from '../lib/random.ts';
import { createBell } from '../lib/wakeups.ts';
import type { Attended } from './care-book.ts';

/** Asks; answers null when all is well, else why not, as one line. Ends soon after its signal is aborted. */
export type Probe = (request: ProbeRequest, signal: AbortSignal) => Promise<string | null>;

export interface HealthWatchNeeds {
  readonly probe: Probe;
  readonly clock: Clock;
  readonly random: Random;
  /** Called when what is known of a unit's health has changed. */
  readonly onChange: (name: UnitName, state: HealthState) => void;
}

/** A unit that is to be asked. */
export interface Patient extends Pick<Attended, 'care' | 'run' | 'renderedHash' | 'health'> {
  readonly mainPid: number;
}

export interface HealthWatch {
  /** From now on asks these units and no others. */
  follow(patients: ReadonlyMap<UnitName, Patient>): void;
  /** Asks until the signal is aborted. Rejects on a bug. */
  run(signal: AbortSignal): Promise<void>;
}

/** Checks under way on one machine; more wait for their turn. */
const checksInFlightMax = 32;

interface Round {
  readonly patient: Patient;
  readonly stop: AbortController;
  state: HealthState;
  readonly ended: Promise<void>;
}

export function createHealthWatch(needs: HealthWatchNeeds): HealthWatch {
  const rounds = new Map<UnitName, Round>();
  const ending = new Set<Promise<void>>();
  const gate = createGate(checksInFlightMax);
  const broken = createBell();
  let bug: unknown = null;

  const begin = (name: UnitName, patient: Patient): void => {
    const stop = new AbortController();
    const round = { patient, stop, state: patient.health ?? startingHealth };
    const ended = goRounds(needs, { name, round, gate }, stop.signal).catch((error: unknown) => {
      if (stop.signal.aborted) return;
      bug = error;
      broken.wake();
    });
    rounds.set(name, Object.assign(round, { ended }));
  };
  const end = (name: UnitName, { stop, ended }: Round): void => {
    rounds.delete(name);
    stop.abort();
    const forget = ended.then(() => void ending.delete(forget));
    ending.add(forget);
  };
  return {
    follow(patients): void {
      for (const [name, round] of rounds) if (!isSame(round.patient, patients.get(name))) end(name, round);
      for (const [name, patient] of patients) if (!rounds.has(name)) begin(name, patient);
    },
    async run(signal): Promise<void> {
      try {
        await broken.wait(signal);
        throw bug;
      } finally {
        for (const [name, round] of rounds) end(name, round);
        await Promise.all(ending);
      }
    },
  };
}

function isSame(one: Patient, other: Patient | undefined): boolean {
  return one.run === other?.run && one.renderedHash === other.renderedHash && one.mainPid === other.mainPid;
}

interface Rounds {
  readonly name: UnitName;
  readonly round: { readonly patient: Patient; state: HealthState };
  readonly gate: Gate;
}

/** Asks one unit again and again. */
async function goRounds({ probe, clock, random, onChange }: HealthWatchNeeds, { name, round, gate }: Rounds, signal: AbortSignal): Promise<void> {
  const { care, mainPid, health } = round.patient;
  if (care.healthCheck === null) return;
  const request = probeRequest(care, care.healthCheck, mainPid);
  // After a restart of fleetd not all units are asked in the same moment.
  if (health !== null) await clock.sleep(random.next() * care.healthIntervalMs, signal);
  for (;;) {
    const why = await gate.pass((inside) => ask(request, { probe, clock, limitMs: care.healthTimeoutMs }, inside), signal);
    const before = round.state;
    round.state = afterCheck(before, { why, nowMs: clock.uptimeMs() }, care);
    if (round.state.health !== before.health || round.state.why !== before.why) onChange(name, round.state);
    await clock.sleep(care.healthIntervalMs, signal);
  }
}

async function ask(
  request: ProbeRequest, { probe, clock, limitMs }: { readonly probe: Probe; readonly clock: Clock; readonly limitMs: number }, signal: AbortSignal,
): Promise<string | null> {
  try {
    return await withDeadline({ clock, limitMs, signal }, (late) => probe(request, late));
  } catch (error) {
    if (error instanceof DeadlineExceeded) return `no answer within ${limitMs / 1_000} s`;
    throw error;
  }
}

/** Lets some pass at a time; the others wait in turn. */
interface Gate {
  pass<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>;
}

function createGate(max: number): Gate {
  const waiting: (() => void)[] = [];
  let inside = 0;
  const enter = (signal: AbortSignal): Promise<void> => new Promise((resolve, reject) => {
    const go = (): void => {
      signal.removeEventListener('abort', leave);
      inside += 1;
      resolve();
    };
    const leave = (): void => {
      waiting.splice(waiting.indexOf(go), 1);
      reject(signal.reason as Error);
    };
    if (inside < max) return go();
    waiting.push(go);
    signal.addEventListener('abort', leave, { once: true });
  });
  return {
    async pass(work, signal) {
      signal.throwIfAborted();
      await enter(signal);
      try {
        return await work(signal);
      } finally {
        inside -= 1;
        waiting.shift()?.();
      }
    },
  };
}
