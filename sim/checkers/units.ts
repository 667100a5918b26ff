/** Promises about what agents do to units, and say of them. */
import type { Assignment } from '../../src/core/unit.ts';
import { notStarted } from '../../src/core/unit.ts';
import type { UnitName } from '../../src/core/unit-name.ts';
import type { Observation } from '../../src/runner/runner.ts';
import { isDown } from '../../src/runner/fake-machine.ts';
import { decodeUnitStatus } from '../../src/store/records.ts';
import type { SimulatedMachine } from '../machine.ts';
import type { RunnerAct } from '../runner-wire.ts';
import type { Checker } from '../witness.ts';
import { seeing, subject } from './seeing.ts';

export const startsWhatIsAssigned: Checker = {
  name: 'starts-what-is-assigned',
  promise: 'an agent loads and starts only what is assigned to its machine (promise 4)',
  begin(court) {
    const { view, remembered, ...witness } = seeing(court);
    return {
      ...witness,
      acting(machine, process, act): void {
        const wanted = (name: UnitName, fits: (assignment: Assignment) => boolean): void => {
          const seen = [...view(machine, process, name), ...remembered(machine, process, name)];
          if (seen.some((one) => one !== null && fits(one))) return;
          court.broken(`${act.verb} of ${subject(name, machine, process)}, and that was never assigned`);
        };
        if (act.verb === 'load') for (const unit of act.units) wanted(unit.name, ({ hash }) => hash === unit.hash);
        if (act.verb === 'start' || act.verb === 'restart') {
          for (const { name, restart } of act.requests) {
            // What is fenced waits for the store: nobody else may say that it is not elsewhere by now.
            const isKnown = view(machine, process, name).length > 0;
            wanted(name, (seen) => isStartOf(seen, restart) && (isKnown || seen.fence === 0));
          }
        }
      },
    };
  },
};

const isStartOf = ({ desired, restart }: Assignment, wanted: number): boolean =>
  desired === 'launched' && restart === wanted;

export const troubleStopsNothing: Checker = {
  name: 'trouble-stops-nothing',
  promise:
    'an agent stops or restarts a unit only because a person, a move or leaving the cluster asks for it (promise 6)',
  begin(court) {
    const { view, remembered: _, ...witness } = seeing(court);
    return {
      ...witness,
      acting(machine, process, act): void {
        for (const name of interrupted(machine, act)) {
          const views = view(machine, process, name);
          if (process.ending?.how === 'leave' || views.some((seen) => isAskedFor(machine, { act, name }, seen)))
            continue;
          court.broken(`${act.verb} of ${subject(name, machine, process)}, which runs, and nobody asked for it`);
        }
      },
    };
  },
};

/** Units that run and that the act ends. */
function interrupted({ units: { units } }: SimulatedMachine, act: RunnerAct): readonly UnitName[] {
  const names =
    act.verb === 'stop' || act.verb === 'unload'
      ? act.names
      : act.verb === 'restart'
        ? act.requests.map(({ name }) => name)
        : [];
  return names.filter((name) => {
    const unit = units.get(name);
    return unit !== undefined && !isDown(unit);
  });
}

interface Ending {
  readonly act: RunnerAct;
  readonly name: UnitName;
}

/** Whether this assignment, null for none, is a reason to end a run of a unit. */
function isAskedFor(machine: SimulatedMachine, { act, name }: Ending, seen: Assignment | null): boolean {
  if (act.verb === 'restart') return act.requests.some((one) => one.name === name && one.restart === seen?.restart);
  if (seen === null || seen.desired !== 'launched' || seen.leaving) return true;
  // Its fence has fallen, so it is being stopped already.
  return seen.fence > 0 && !machine.units.fences.has(seen.lostAfterMs);
}

export const startsOncePerWish: Checker = {
  name: 'starts-once-per-wish',
  promise: 'what a person asked for is carried out once: nothing is started again for the same wish (promise 6)',
  begin: ({ broken }) => ({
    acting(machine, process, act): void {
      if (act.verb !== 'start' && act.verb !== 'restart') return;
      for (const { name, restart } of act.requests) {
        const unit = machine.units.units.get(name);
        if (unit?.restart === restart && restart !== notStarted) {
          broken(`${act.verb} of ${subject(name, machine, process)}, whose restart ${restart} was carried out before`);
        }
      }
    },
  }),
};

/** The part of a status that a runner observes, as one text. */
function observedText(of: Omit<Observation, 'name' | 'renderedHash' | 'needsReload'>): string {
  const { load, active, sub, hash, sinceMs, result, exitStatus, succeeded, restarts, mainPid, restart } = of;
  return JSON.stringify([load, active, sub, hash, sinceMs, result, exitStatus, succeeded, restarts, mainPid, restart]);
}

const notThere = 'not there';

/** What was observed of a unit on a machine, in order, and how far the store has followed. */
interface Sightings {
  readonly texts: string[];
  reported: number;
}

export const statusIsObserved: Checker = {
  name: 'status-is-observed',
  promise: 'a status in the store was observed on its machine, and none follows a newer one (promise 5)',
  begin({ broken }) {
    const sightings = new Map<string, Sightings>();
    /** Units, by name and file, that have run to their end with success somewhere. */
    const succeeded = new Set<string>();
    const of = (machine: string, name: string): Sightings => {
      const key = `${machine} ${name}`;
      let found = sightings.get(key);
      if (found === undefined) sightings.set(key, (found = { texts: [notThere], reported: 0 }));
      return found;
    };
    const see = (machine: string, name: string, text: string): void => {
      const { texts } = of(machine, name);
      if (texts.at(-1) !== text) texts.push(text);
    };
    return {
      observed(machine, _process, observations): void {
        for (const [name, observation] of observations) {
          see(machine.id, name, observedText(observation));
          if (observation.succeeded) succeeded.add(`${name} ${observation.hash}`);
        }
        for (const key of sightings.keys()) {
          const [id = '', name = ''] = key.split(' ');
          if (id === machine.id && !observations.has(name as UnitName)) see(id, name, notThere);
        }
      },
      moment({ changes, revision }): void {
        for (const {
          meaning,
          after: { value },
        } of changes) {
          const status = value === null ? null : decodeUnitStatus(value);
          if (meaning?.kind !== 'status' || status?.ok !== true) continue;
          const seen = of(meaning.machine, meaning.name);
          const { load, problem, released } = status.value;
          const isAbsent = load === 'not-found' && (problem !== '' || released > 0);
          const text = isAbsent ? notThere : observedText(status.value);
          // A oneshot that has succeeded before a reboot or a move is told to have, and lies there as it was loaded.
          const asLoaded =
            succeeded.has(`${meaning.name} ${status.value.hash}`) && status.value.succeeded
              ? observedText({ ...status.value, succeeded: false, restart: notStarted })
              : text;
          const index = seen.texts.findIndex((one, at) => at >= seen.reported && (one === text || one === asLoaded));
          if (index >= 0) seen.reported = index;
          else
            broken(
              `${meaning.machine} says at revision ${revision}: ${meaning.name} is ${status.value.active}, ${whyNot(seen, text)}`,
            );
        }
      },
    };
  },
};

function whyNot({ texts }: Sightings, text: string): string {
  return texts.includes(text) ? 'and has said something newer before' : 'and never observed that';
}

/** What the clock of a machine may be off within a stop timeout. */
const clockErrorMsMax = 1_000;

export const leavingStopsFirst: Checker = {
  name: 'leaving-stops-first',
  promise: 'a machine leaves the cluster only when it is asked to, and after its units have stopped (promise 7)',
  begin: ({ chronicle, machines, stopTimeoutMs, broken }) => ({
    moment({ changes, author, atMs }): void {
      for (const { meaning, before, after } of changes) {
        if (meaning?.kind !== 'machine' || author !== null || after.value !== null) continue;
        const ender = chronicle.leases.get(before.leaseId ?? '')?.revokedBy?.process;
        const machine = machines.find(({ id }) => id === meaning.machine);
        // A process that finds the lease of the one before it ends that, having put the record under its own.
        if (ender === undefined || machine === undefined) continue;
        if (ender.ending?.how !== 'leave') {
          broken(`${meaning.machine} left the cluster, and nobody asked ${ender.name} for that`);
          continue;
        }
        const up = [...machine.units.units.values()]
          .filter((unit) => !isDown(unit))
          .map(({ rendered }) => rendered.name);
        if (up.length > 0 && atMs - ender.ending.sinceMs < stopTimeoutMs - clockErrorMsMax)
          broken(`${meaning.machine} left while ${up.join(', ')} had not stopped`);
      }
    },
  }),
};
