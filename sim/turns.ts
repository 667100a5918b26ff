/**
 * Watches the units of all machines as they really are, whether or not any fleetd looks.
 * Promises: every change of a unit's process or state is told, at the step in which it happened.
 */
import type { UnitName } from '../src/core/unit-name.ts';
import type { FakeUnit } from '../src/runner/fake-machine.ts';
import type { SimulatedMachine } from './machine.ts';
import type { UnitFacts, UnitTurn } from './witness.ts';

export interface Turns {
  /** Brings all units to this moment and tells what has changed since the last look. */
  look(): void;
}

export function createTurns(machines: readonly SimulatedMachine[], onTurn: (turn: UnitTurn) => void): Turns {
  const seen = new Map(machines.map((machine) => [machine, new Map<UnitName, UnitFacts>()]));
  return {
    look(): void {
      for (const [machine, known] of seen) {
        machine.settle();
        const { units } = machine.units;
        for (const [name, unit] of units) {
          const before = known.get(name) ?? null;
          if (before !== null && isSame(before, unit)) continue;
          const after = factsOf(unit);
          known.set(name, after);
          onTurn({ machine, name, before, after });
        }
        for (const [name, before] of known) {
          if (units.has(name)) continue;
          known.delete(name);
          onTurn({ machine, name, before, after: null });
        }
      }
    },
  };
}

const isSame = (facts: UnitFacts, { active, mainPid, rendered, restart }: FakeUnit): boolean =>
  facts.active === active && facts.mainPid === mainPid && facts.hash === rendered.hash && facts.restart === restart;

const factsOf = ({ active, mainPid, rendered, restart }: FakeUnit): UnitFacts => ({
  active,
  mainPid,
  hash: rendered.hash,
  restart,
});
