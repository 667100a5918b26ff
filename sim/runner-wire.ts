/**
 * A process's connection to the manager of its machine's units: the runner with everything that goes wrong on the way.
 * Promises: a call that fails may or may not have happened, as over a bus that breaks; a machine whose manager does not
 * answer fails every call until it does again. What had an effect is told to `hear`, with the process it came from.
 */
import type { UnitName } from '../src/core/unit-name.ts';
import type { Clock } from '../src/lib/clock.ts';
import { RunnerUnavailable } from '../src/runner/runner.ts';
import type { Observation, RenderedUnit, ResetRequest, StartRequest, UnitRunner } from '../src/runner/runner.ts';
import type { Fates } from './fate.ts';
import type { SimProcess } from './process.ts';
import { unlessAborted } from './wire.ts';

/** A call to a runner that is about to have its effect. */
export type RunnerAct =
  | { readonly verb: 'load'; readonly units: readonly RenderedUnit[] }
  | { readonly verb: 'start' | 'restart'; readonly requests: readonly StartRequest[] }
  | { readonly verb: 'reset'; readonly requests: readonly ResetRequest[] }
  | { readonly verb: 'stop' | 'unload'; readonly names: readonly UnitName[] }
  | { readonly verb: 'reload' };

export interface RunnerHearing {
  acting(process: SimProcess, act: RunnerAct): void;
  /** What the runner answered when it was asked what is. */
  observed(process: SimProcess, observations: ReadonlyMap<UnitName, Observation>): void;
}

export interface RunnerWireNeeds {
  readonly inner: UnitRunner;
  readonly process: SimProcess;
  /** True time. */
  readonly clock: Clock;
  readonly fates: Fates;
  /** Milliseconds that every call takes more, and whether the manager answers at all. */
  readonly trouble: { readonly delayMs: number; readonly isSilent: boolean };
  readonly hear: RunnerHearing;
}

/** How long a call to a manager that does not answer takes until that is noticed. */
const silentMs = 10_000;

export function createRunnerWire(needs: RunnerWireNeeds): UnitRunner {
  const { inner, process, hear } = needs;
  const does = <T>(act: RunnerAct, signal: AbortSignal, effect: () => Promise<T>): Promise<T> =>
    ask(needs, { verb: act.verb, signal }, () => {
      hear.acting(process, act);
      return effect();
    });
  return {
    observe: (signal) =>
      ask(needs, { verb: 'observe', signal }, async () => {
        const observations = await inner.observe(never);
        hear.observed(process, observations);
        return observations;
      }),
    changes: (signal) => changesFrom(needs, signal),
    load: (units, signal) => does({ verb: 'load', units }, signal, () => inner.load(units, never)),
    unload: (names, signal) => does({ verb: 'unload', names }, signal, () => inner.unload(names, never)),
    reload: (signal) => does({ verb: 'reload' }, signal, () => inner.reload(never)),
    start: (requests, signal) => does({ verb: 'start', requests }, signal, () => inner.start(requests, never)),
    restart: (requests, signal) => does({ verb: 'restart', requests }, signal, () => inner.restart(requests, never)),
    resetFailed: (requests, signal) => does({ verb: 'reset', requests }, signal, () => inner.resetFailed(requests, never)),
    stop: (names, signal) => does({ verb: 'stop', names }, signal, () => inner.stop(names, never)),
    trouble: (signal) => ask(needs, { verb: 'trouble', signal }, () => inner.trouble(never)),
    fence: {
      standing: (signal) => ask(needs, { verb: 'standing', signal }, () => inner.fence.standing(never)),
      raise: (fence, signal) => ask(needs, { verb: 'raise', signal }, () => inner.fence.raise(fence, never)),
      // A line into a pipe: at once or, from a dead process, never.
      extend: (fence) => (process.death.aborted ? undefined : inner.fence.extend(fence)),
      lower: (lostAfterMs, signal) =>
        ask(needs, { verb: 'lower', signal }, () => inner.fence.lower(lostAfterMs, never)),
    },
  };
}

const never = new AbortController().signal;

interface Call {
  readonly verb: RunnerAct['verb'] | 'observe' | 'trouble' | 'standing' | 'raise' | 'lower';
  readonly signal: AbortSignal;
}

function ask<T>(needs: RunnerWireNeeds, { verb, signal }: Call, effect: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  return needs.process.receive(unlessAborted(thereAndBack(needs, { verb, signal }, effect), signal));
}

async function thereAndBack<T>(
  { process, clock, fates, trouble }: RunnerWireNeeds,
  call: Call,
  effect: () => Promise<T>,
): Promise<T> {
  const fate = fates.next(process, `runner ${call.verb}`);
  if (fate.dies === 'before') process.kill();
  process.death.throwIfAborted(); // Nobody hears it.
  await clock.sleep(fate.thereMs + trouble.delayMs, process.death);
  if (trouble.isSilent) await clock.sleep(silentMs, process.death);
  if (trouble.isSilent || fate.fails === 'before')
    throw new RunnerUnavailable(`the manager did not answer to ${call.verb}`);
  if (call.signal.aborted && fate.endsWithCaller) throw new RunnerUnavailable(`${call.verb} was given up`);
  const made = await effect();
  if (fate.dies === 'after') process.kill();
  if (fate.fails === 'after') throw new RunnerUnavailable(`the manager's answer to ${call.verb} was lost`);
  await clock.sleep(fate.backMs, process.death);
  return made;
}

async function* changesFrom(
  { inner, process, trouble }: RunnerWireNeeds,
  signal: AbortSignal,
): AsyncGenerator<readonly UnitName[]> {
  const outside = inner.changes(AbortSignal.any([signal, process.death]))[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await process.receive(unlessAborted(outside.next(), signal));
      if (next.done === true) return;
      if (trouble.isSilent) throw new RunnerUnavailable('the connection to the manager broke');
      yield next.value;
    }
  } finally {
    outside.return?.().catch(() => undefined); // It ends by its signal; nobody waits for its last word.
  }
}
