/** Promises about what is not done twice, and not done too early. */
import { isFinished } from '../../src/core/schedule/finished.ts';
import type { Assignment } from '../../src/core/unit.ts';
import type { UnitName } from '../../src/core/unit-name.ts';
import type { Observation } from '../../src/runner/runner.ts';
import { isDown } from '../../src/runner/fake-machine.ts';
import { decodeAssignment, decodeUnitStatus } from '../../src/store/records.ts';
import type { Moment } from '../chronicle.ts';
import type { SimulatedMachine } from '../machine.ts';
import type { SimProcess } from '../process.ts';
import type { Checker, Court } from '../witness.ts';
import { seeing, subject } from './seeing.ts';

export const stopsFirst: Checker = {
  name: 'stops-first',
  promise: 'a machine begins to stop what is no longer its own before it starts anything',
  begin(court) {
    const { view, remembered: _, observed, ...witness } = seeing(court);
    const lastSeen = new Map<SimProcess, ReadonlyMap<UnitName, Observation>>();
    return {
      ...witness,
      observed(machine, process, observations): void {
        observed?.(machine, process, observations);
        lastSeen.set(process, observations);
      },
      acting(machine, process, act): void {
        if (act.verb !== 'start' && act.verb !== 'restart') return;
        const left = [...(lastSeen.get(process)?.values() ?? [])].find((seen) => {
          const views = view(machine, process, seen.name);
          return isUp(seen) && runsOn(machine, seen.name) && views.length > 0 && views.every((one) => one === null);
        });
        if (left === undefined) return;
        const started = act.requests.map(({ name }) => name).join(', ');
        court.broken(`${act.verb} of ${started} while ${subject(left.name, machine, process)} is not to run there`);
      },
    };
  },
};

const isUp = ({ active }: Pick<Observation, 'active'>): boolean => active === 'active' || active === 'activating';

/** Whether a unit runs and is not being stopped; what drains first is stopped later. */
function runsOn({ units: { units } }: SimulatedMachine, name: UnitName): boolean {
  const unit = units.get(name);
  return unit !== undefined && isUp(unit) && !unit.known.text.includes('DrainTime=');
}

/** A wish to run a unit, as far as it tells one run from the next. */
type Run = Pick<Assignment, 'hash' | 'restart'>;

export const oneshotsRunOnce: Checker = {
  name: 'oneshots-run-once',
  promise: 'a oneshot whose success was reported is not run again by a reboot or a move, unless somebody asks for it',
  begin({ broken }) {
    /** By machine and unit. */
    const reported = new Map<string, Run>();
    return {
      moment(moment): void {
        for (const change of moment.changes) noteReport(reported, change);
        const again = givenAgain(moment);
        if (again !== null) broken(`${again} at revision ${moment.revision}, and its history says that it has succeeded`);
      },
      acting(machine, process, act): void {
        if (act.verb !== 'start' && act.verb !== 'restart') return;
        for (const { name, restart } of act.requests) {
          const done = reported.get(`${machine.id} ${name}`);
          const unit = machine.units.units.get(name);
          if (done === undefined || done.restart !== restart || done.hash !== unit?.rendered.hash || !isDown(unit)) continue;
          broken(`${act.verb} of ${subject(name, machine, process)}, whose success had been reported`);
        }
      },
    };
  },
};

/** Takes over what a machine says, and what is asked of it: another wish, or none, makes a new run of the next one. */
function noteReport(reported: Map<string, Run>, { meaning, after: { value } }: Moment['changes'][number]): void {
  if (meaning?.kind !== 'status' && meaning?.kind !== 'assignment') return;
  const key = `${meaning.machine} ${meaning.name}`;
  if (meaning.kind === 'status') {
    const status = value === null ? null : decodeUnitStatus(value);
    if (status?.ok === true && status.value.succeeded) reported.set(key, status.value);
    return;
  }
  const wish = value === null ? null : decodeAssignment(value);
  const done = reported.get(key);
  const isSame = wish?.ok === true && wish.value.desired === 'launched' && isSameRun(wish.value, done);
  if (!isSame) reported.delete(key);
}

const isSameRun = (wish: Run, done: Run | undefined): boolean => wish.hash === done?.hash && wish.restart === done.restart;

/** An assignment that asks for what has been done according to the history of its unit; null when there is none. */
function givenAgain({ changes, before }: Moment): string | null {
  for (const { meaning, after } of changes) {
    const read = meaning?.kind === 'assignment' && after.value !== null ? decodeAssignment(after.value) : null;
    if (meaning?.kind !== 'assignment' || read?.ok !== true || read.value.finished) continue;
    const { name, machine } = meaning;
    const place = { name, machine, isGlobal: false, held: before.assignments.get(machine)?.get(name) };
    if (isFinished(before, place, read.value)) return `${meaning.name} was given to ${meaning.machine} to be run`;
  }
  return null;
}
