/**
 * One operating system process of the simulation: what comes from outside (answers, the end of a sleep) reaches it only
 * while it runs.
 * Promises: a killed process hears nothing any more, as after kill -9: no cleaning up, no last words; a frozen one
 * (SIGSTOP) hears all of it, in order, when it is thawed. Its clock is its machine's: with an offset, a rate and jumps
 * of its own.
 */
import type { OnStop } from '../src/agent/agent.ts';
import type { Clock } from '../src/lib/clock.ts';

export interface SimProcess {
  /** How its service manager is ending it, and since when in true time; null while it is not. */
  ending: { readonly how: OnStop; readonly sinceMs: number } | null;
  /** Machine and count of processes on it: "m2#3". */
  readonly name: string;
  readonly machine: string;
  readonly clock: Clock;
  /** Aborted when it is killed: for whoever works on its behalf outside of it. */
  readonly death: AbortSignal;
  state(): 'running' | 'frozen' | 'dead';
  /** An answer from outside, as the process hears it. */
  receive<T>(answer: Promise<T>): Promise<T>;
  kill(): void;
  freeze(): void;
  thaw(): void;
}

/** A process on a machine with this clock. */
export function createProcess(machine: string, number: number, machineClock: Clock): SimProcess {
  const death = new AbortController();
  let held: (() => void)[] | null = null;
  const deliver = (act: () => void): void => {
    if (death.signal.aborted) return;
    if (held === null) act();
    else held.push(act);
  };
  const receive = <T>(answer: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      answer.then(
        (value) => deliver(() => resolve(value)),
        (error: unknown) => deliver(() => reject(error as Error)),
      );
    });
  const clock: Clock = {
    nowMs: machineClock.nowMs,
    uptimeMs: machineClock.uptimeMs,
    sleep: (delayMs, signal) => receive(machineClock.sleep(delayMs, AbortSignal.any([signal, death.signal]))),
  };
  return {
    ending: null,
    name: `${machine}#${String(number)}`,
    machine,
    clock,
    death: death.signal,
    receive,
    state: () => (death.signal.aborted ? 'dead' : held === null ? 'running' : 'frozen'),
    kill: () => death.abort(),
    freeze: () => void (held ??= []),
    thaw(): void {
      const acts = held ?? [];
      held = null;
      for (const act of acts) deliver(act);
    },
  };
}

/** The clock of one machine; it outlives its processes. */
export interface MachineClock extends Clock {
  /** Makes the wall clock jump; uptime and sleeps do not notice. */
  step(byMs: number): void;
}

/**
 * How a machine's clock differs from true time: its wall clock at the start, and seconds it counts in a true second.
 */
export interface ClockError {
  readonly offsetMs: number;
  readonly rate: number;
}

/**
 * A clock that errs; all its times are whole milliseconds, so that waiting for a deadline never takes steps of nothing.
 */
export function createMachineClock(truth: Clock, { offsetMs, rate }: ClockError): MachineClock {
  let wallOffsetMs = offsetMs;
  return {
    nowMs: () => Math.floor(truth.nowMs() + wallOffsetMs),
    uptimeMs: () => Math.floor(truth.uptimeMs() * rate),
    sleep: (delayMs, signal) => truth.sleep(Math.ceil(Math.max(0, delayMs) / rate), signal),
    step(byMs): void {
      wallOffsetMs += byMs;
    },
  };
}
