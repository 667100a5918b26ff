/**
 * The stage of a run: the store, the machines and the world around them, put together from a scenario.
 * Promises: everything that happens on it is told, in the order in which it happens.
 */
import type { ManualClock } from '../src/lib/manual-clock.ts';
import { behaviours } from './catalogue.ts';
import { createChronicle } from './chronicle.ts';
import type { Chronicle } from './chronicle.ts';
import type { Fates } from './fate.ts';
import { createMachine } from './machine.ts';
import type { MachineNeeds, SimulatedMachine } from './machine.ts';
import type { SimProcess } from './process.ts';
import type { Scenario } from './scenario.ts';
import { createStoreServer } from './store-server.ts';
import type { StoreServer } from './store-server.ts';
import { createTurns } from './turns.ts';
import { createUndo } from './undo.ts';
import type { Acknowledged, Witness } from './witness.ts';
import type { World } from './world.ts';

/** How long a unit may take to stop before a machine leaves all the same. */
export const stopTimeoutMs = 80_000;
/** mass_loss_hold of the simulated fleetds. */
export const massLossHoldMs = 120_000;

export interface Stage {
  readonly server: StoreServer;
  readonly chronicle: Chronicle;
  readonly machines: readonly SimulatedMachine[];
  readonly world: World;
  /** Everything that is due when nothing can go on without time passing. */
  step(): void;
  /** Ends all troubles that last a while. */
  undoAll(): void;
}

interface StageNeeds {
  readonly scenario: Scenario;
  readonly clock: ManualClock;
  readonly fates: Fates;
  readonly tell: Required<Witness>;
  /** Complains of a promise that the run itself watches. */
  readonly breakPromise: (checker: string, what: string) => void;
  readonly write?: (line: string) => void;
}

/** The store, the machines and the world around them. */
export function createStage(needs: StageNeeds): Stage {
  const { scenario, clock, fates, tell } = needs;
  const server = createStoreServer(clock);
  const chronicle = createChronicle({
    store: server.data, righted: server.righted, clock, onMoment: tell.moment, onHeard: tell.heard, onStrange: tell.strange,
  });
  const failed: World['failed'] = (process, error) => {
    tell.bug(process, error);
    const why = error instanceof Error ? error.message : String(error);
    needs.breakPromise('no-bug', `a part of ${process.name} failed: ${why}`);
  };
  const machines = createMachines(needs, { server, chronicle, failed });
  const { during, undoAll } = createUndo(clock);
  const answers: Acknowledged[] = [];
  const turns = createTurns(machines, tell.turned);
  return {
    server,
    chronicle,
    machines,
    undoAll,
    world: {
      clock,
      server,
      chronicle,
      machines,
      fates,
      ttlMs: scenario.ttlMs,
      during,
      failed,
      asked: new Set(),
      copies: [],
      tell: tell.event,
      acknowledged: (answer) => void answers.push(answer),
    },
    step(): void {
      chronicle.write();
      // Only now: what they speak of has been written down.
      for (const answer of answers.splice(0)) tell.acknowledged(answer);
      turns.look();
      tell.step();
    },
  };
}

interface Surroundings {
  readonly server: StoreServer;
  readonly chronicle: Chronicle;
  readonly failed: World['failed'];
}

/** All machines of a scenario, none of which runs anything yet. */
function createMachines(needs: StageNeeds, { server, chronicle, failed }: Surroundings): readonly SimulatedMachine[] {
  const { scenario, clock, fates, tell } = needs;
  const machines = new Map<string, SimulatedMachine>();
  const of = ({ machine }: SimProcess): SimulatedMachine => machines.get(machine) ?? raise(`no machine ${machine}`);
  const hear: MachineNeeds['hear'] = {
    ...chronicle.hear,
    committing: tell.committing,
    acting: (process, act) => tell.acting(of(process), process, act),
    observed: (process, observations) => tell.observed(of(process), process, observations),
  };
  for (const [index, clockError] of scenario.clockErrors.entries()) {
    const id = `m${String(index + 1)}`;
    machines.set(
      id,
      createMachine({
        id,
        seed: scenario.seed,
        truth: clock,
        clockError,
        server,
        fates,
        hear,
        behaviours,
        ttlMs: scenario.ttlMs,
        stopTimeoutMs,
        massLossHoldMs,
        metadata: { role: scenario.roles[index] ?? 'web' },
        basisOf: (process) => chronicle.heard(process, ''),
        writeLine: needs.write ?? (() => undefined),
        onBug: failed,
      }),
    );
  }
  return [...machines.values()];
}

function raise(message: string): never {
  throw new Error(message);
}
