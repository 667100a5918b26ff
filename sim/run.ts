/**
 * A run under way: the stage, the checkers that watch it, and what they complain of.
 * Promises: the first broken promise is the one that is told; watching changes nothing.
 */
import { createManualClock } from '../src/lib/manual-clock.ts';
import { checkers } from './checkers.ts';
import { calm, createFates } from './fate.ts';
import type { Single } from './fate.ts';
import type { SimulatedMachine } from './machine.ts';
import type { Scenario } from './scenario.ts';
import { createStage, massLossHoldMs, stopTimeoutMs } from './stage.ts';
import { createTrace } from './trace.ts';
import type { Court, Witness } from './witness.ts';
import type { World } from './world.ts';

/** How long after its end a process is started again (RestartSec= of fleet.service). */
const restartMs = 1_000;

/** A promise that was broken. */
export interface Breach {
  /** Name of the checker; "comes-to-rest" and "no-bug" for what the run itself watches. */
  readonly checker: string;
  readonly what: string;
  readonly atMs: number;
}

export interface RunOptions {
  /** One call that fails or is its process's last. */
  readonly single?: Single;
  /** Takes the lines of the trace; without it none is made. */
  readonly write?: (line: string) => void;
}

/** A run under way. */
export interface Run {
  readonly clock: World['clock'];
  readonly chronicle: World['chronicle'];
  readonly fates: World['fates'];
  readonly machines: readonly SimulatedMachine[];
  readonly world: World;
  /** All witnesses as one. */
  readonly tell: Required<Witness>;
  /** Everything that is due when nothing can go on without time passing. */
  step(): void;
  breach(): Breach | null;
  break(checker: string, what: string): void;
  endFaults(): void;
}

export function createRun(scenario: Scenario, { single, write }: RunOptions): Run {
  const clock = createManualClock();
  const witnesses: Witness[] = [];
  const tell = tellAll(witnesses);
  let breach: Breach | null = null;
  const breakPromise = (checker: string, what: string): void => {
    tell.event(`BROKEN ${checker}: ${what}`);
    breach ??= { checker, what, atMs: clock.uptimeMs() };
  };
  const fates = createFates({
    seed: scenario.seed,
    weather: scenario.weather,
    ...(single === undefined ? {} : { single }),
    onCall(process, what, how): void {
      tell.call(process, what);
      if (how === null) return;
      tell.event(`call of ${process.name} (${what}) ${how}`);
      // Its service manager starts what has died again; nothing happens to one that lives.
      stage.world.during(restartMs, () => stage.machines.find(({ id }) => id === process.machine)?.start());
    },
  });
  const stage = createStage({ scenario, clock, fates, tell, breakPromise, ...(write === undefined ? {} : { write }) });
  const { chronicle, machines, world } = stage;
  const court: Omit<Court, 'broken'> = {
    chronicle,
    server: stage.server,
    machines,
    nowMs: clock.uptimeMs,
    sleepers: clock.sleepers,
    ttlMs: scenario.ttlMs,
    stopTimeoutMs,
    massLossHoldMs,
  };
  if (write !== undefined) witnesses.push(createTrace(write, clock.uptimeMs));
  for (const { name, begin } of checkers)
    witnesses.push(begin({ ...court, broken: (what) => breakPromise(name, what) }));
  return {
    clock,
    chronicle,
    fates,
    machines,
    world,
    tell,
    step: stage.step,
    breach: () => breach,
    break: breakPromise,
    endFaults(): void {
      stage.undoAll();
      fates.become(calm);
      fates.pardon();
      for (const machine of machines) machine.boot();
      for (const machine of machines) machine.start();
    },
  };
}

/** Witnesses, more of which may come, as one. */
function tellAll(witnesses: readonly Witness[]): Required<Witness> {
  const all =
    <K extends keyof Witness>(kind: K) =>
    (...told: Parameters<Required<Witness>[K]>): void => {
      for (const witness of witnesses) (witness[kind] as ((...args: typeof told) => void) | undefined)?.(...told);
    };
  return {
    moment: all('moment'),
    committing: all('committing'),
    strange: all('strange'),
    heard: all('heard'),
    call: all('call'),
    acting: all('acting'),
    observed: all('observed'),
    turned: all('turned'),
    acknowledged: all('acknowledged'),
    event: all('event'),
    bug: all('bug'),
    step: all('step'),
    rest: all('rest'),
  };
}
