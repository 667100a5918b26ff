/**
 * Ports that are handed over within a pass: units that stand and lack a port look again once another unit has left its machine.
 * Promises: what was found so is like what is found at the beginning of a pass, so that the pass after it finds nothing more; what a unit still
 * runs with is not handed over, because its machine says so.
 */
import { noteLacking } from './board.ts';
import type { Place } from './ledger.ts';
import { noteChange } from './pass.ts';
import type { Pass } from './pass.ts';
import { completeAll, givenPorts } from './ports.ts';
import type { LackingUnit } from './ports.ts';
import type { Steps } from './steps.ts';

/** Hands over what has become free since it was last called. Answers whether it did: then somebody else may find a place. */
export function createHandover(pass: Pass): () => Steps<boolean> {
  const { ledger, board: { lacking, clusterPorts } } = pass;
  let seen = ledger.left.length;
  return function* () {
    const left = new Set(ledger.left.slice(seen));
    seen = ledger.left.length;
    let isAny = false;
    for (const [id, units] of [...lacking]) {
      const at = ledger.places.get(id);
      // A port of the whole cluster may have become free on another machine.
      if (at !== undefined && (left.has(at.index) || clusterPorts.size > 0)) isAny = (yield* handOver(pass, at, units)) || isAny;
    }
    return isAny;
  };
}

function* handOver(pass: Pass, at: Place, units: readonly LackingUnit[]): Steps<boolean> {
  const { ledger, board } = pass;
  const waiting = units.filter((each) => stillStands(pass, at, each));
  const still = new Set(yield* completeAll(ledger.ports, waiting));
  noteLacking(board, at.machine.id, [...still]);
  for (const each of waiting) {
    if (still.has(each)) continue;
    noteChange(pass, each.unit, at);
    // It may have given up a port, which counts as if a unit had left.
    ledger.left.push(at.index);
    ledger.turns += 1;
  }
  return still.size < waiting.length;
}

/** Whether a unit stands where it stood, with what it had: one that left and came back has been given its ports. */
function stillStands({ ledger }: Pass, at: Place, { unit, machine, assignment }: LackingUnit): boolean {
  if (at.units.get(unit.name) !== unit) return false;
  const given = givenPorts(ledger.ports, unit.name, machine);
  return given === undefined || Object.entries(given.ports).every(([name, port]) => assignment.ports[name] === port);
}
