/**
 * Why a unit runs where it does, or why it does not run: for people who ask.
 * Promises: says only what the snapshot shows; every unit has one sentence that is true, and every machine a verdict.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import { limits } from '../limits.ts';
import type { Machine, MachineId } from '../machine.ts';
import { shortMachineId } from '../machine.ts';
import { compareText } from '../order.ts';
import type { Placement, UnitRecord, UnitStatus } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import { isTemplate } from '../unit-name.ts';
import { failureOf, phaseOf } from '../unit-state.ts';
import { sayRefusal } from './filters.ts';
import type { Place, PlannedUnit } from './ledger.ts';
import { drainOutlook } from './drain.ts';
import { beginPass } from './pass.ts';
import type { Circumstances, Pass } from './pass.ts';
import { groupRefusal } from './placing.ts';
import { sayVictims, victimsOn } from './preempt.ts';
import { isBetterRank, rankOf, sayLoad, sayRank } from './rank.ts';
import type { Rank } from './rank.ts';
import { sayRoomLeft } from './room.ts';
import type { Held } from './rows.ts';
import { graphByName, groupByCircles } from './groups.ts';
import { describePorts } from './port-words.ts';
import { countRefusals } from './unplaced.ts';

/** What an explanation says of one machine. */
export interface MachineVerdict {
  readonly id: MachineId;
  readonly address: string;
  readonly verdict: 'chosen' | 'possible' | 'refused';
  readonly why: string;
}

/** Why a unit is where it is. `machines` has the chosen ones first, then possible ones by load, then the others by id. */
export interface Explanation {
  readonly name: UnitName;
  readonly summary: string;
  readonly state: 'running' | 'starting' | 'stopping' | 'failed' | 'done' | 'inactive' | 'unplaced' | 'unknown';
  readonly machines: readonly MachineVerdict[];
}

type Summary = Pick<Explanation, 'summary' | 'state'>;

/** What an explanation is made of. */
export interface Knowledge extends Circumstances {
  /** The time of day at which the store was heard for the last time; absent while it is heard. */
  readonly heardUntilMs?: number;
}

/** Explains one unit. */
export function explain(snapshot: ClusterSnapshot, name: UnitName, circumstances: Knowledge = {}): Explanation {
  const record = snapshot.units.get(name);
  const pass = beginPass(snapshot, circumstances);
  const row = pass.ledger.rows.get(name);
  const held = row?.held ?? [];
  const unit = row?.wanted ?? undefined;
  const verdicts = unit === undefined ? chosenOnly(pass, held) : verdictsOf(pass, unit, held);
  const said = summarise(pass, { name, record, held });
  const { heardUntilMs } = circumstances;
  const summary = heardUntilMs === undefined ? said.summary : sayOld(said.summary, heardUntilMs, unit);
  return { name, ...said, summary, machines: verdicts.slice(0, limits.explainMachinesMax) };
}

/** What was so when the store was heard for the last time: since then only the machine itself knows. */
function sayOld(summary: string, heardUntilMs: number, unit: PlannedUnit | undefined): string {
  const isFenced = unit?.section.onMachineLost === 'stop';
  const since = isFenced ? '; since then its fence stops it where the machine cannot reach the store either (OnMachineLost=stop)' : '; units go on meanwhile';
  return `the store is away, and when it was heard last, at ${new Date(heardUntilMs).toISOString()}, ${summary}${since}`;
}

function wantedUnit({ ledger }: Pass, name: UnitName): PlannedUnit | undefined {
  return ledger.rows.get(name)?.wanted ?? undefined;
}

interface Asked {
  readonly name: UnitName;
  readonly record: UnitRecord | undefined;
  readonly held: readonly Held[];
}

function summarise(pass: Pass, asked: Asked): Summary {
  const { name, record, held } = asked;
  const unreadable = pass.untouched.get(name);
  if (unreadable !== undefined) return { state: 'unknown', summary: `it is left as it is: ${unreadable}` };
  if (isTemplate(name)) {
    const instance = name.replace('@.', '@1.');
    return { state: 'inactive', summary: `it is a template: start an instance of it, ${instance} for example` };
  }
  if (record === undefined || record.desired === 'inactive') return summariseUnwanted(pass, asked);
  if (held.length === 0) return summariseUnplaced(pass, name);
  const isGlobal = wantedUnit(pass, name)?.section.global === true;
  const [first] = held;
  return isGlobal || first === undefined ? summariseGlobal(pass, asked) : summariseOn(pass, name, first);
}

function summariseUnwanted(pass: Pass, { name, record, held }: Asked): Summary {
  const still = held.map((one) => one.machine).concat(machinesReporting(pass.snapshot, name));
  const [machine] = still;
  if (machine !== undefined) {
    return { state: 'stopping', summary: `it is to stop, and ${describeMachine(pass, machine)} still has it` };
  }
  if (record === undefined) return { state: 'unknown', summary: 'the cluster has no unit of this name' };
  return { state: 'inactive', summary: 'nobody asked for it to run: it is only submitted' };
}

function machinesReporting(snapshot: ClusterSnapshot, name: UnitName): readonly MachineId[] {
  return [...snapshot.statuses].filter(([, ofMachine]) => ofMachine.has(name)).map(([machine]) => machine);
}

function summariseUnplaced(pass: Pass, name: UnitName): Summary {
  const fileless = pass.fileless.get(name);
  if (fileless !== undefined) return { state: 'unplaced', summary: `it cannot be placed: ${fileless}` };
  if (pass.snapshot.leader === null) {
    return { state: 'unplaced', summary: 'no engine leads the cluster, so nothing is placed until one does' };
  }
  const unit = wantedUnit(pass, name);
  const wait = pass.waits.get(name);
  if (wait !== undefined) return { state: 'unplaced', summary: wait.why };
  const refusals = unit === undefined ? [] : refusalsOf(pass, unit);
  if (refusals.length < pass.ledger.places.size) {
    return { state: 'unplaced', summary: 'a machine fits; the engine places it with its next pass' };
  }
  const counts = new Map<string, number>();
  for (const { why } of refusals) counts.set(why, (counts.get(why) ?? 0) + 1);
  return { state: 'unplaced', summary: countRefusals(pass.ledger.places.size, counts) };
}

/** What is to be said of a unit on one machine. */
function summariseOn(pass: Pass, name: UnitName, { machine, assignment }: Held): Summary {
  const { snapshot } = pass;
  const where = describeMachine(pass, machine);
  if (!snapshot.machines.has(machine)) {
    const waits = pass.awaited.get(machine);
    if (waits !== undefined) return { state: 'unplaced', summary: waits };
    const unit = wantedUnit(pass, name);
    const fits = unit !== undefined && refusalsOf(pass, unit).length < pass.ledger.places.size;
    const wait = pass.waits.get(name);
    const next = wait !== undefined ? wait.why : fits ? 'the engine moves it with its next pass' : 'no other machine fits, so it stays assigned there';
    return { state: 'unplaced', summary: `its machine ${where} is gone; ${next}` };
  }
  const status = snapshot.statuses.get(machine)?.get(name);
  const since = new Date(assignment.assignedAtMs).toISOString();
  if (status === undefined) {
    return { state: 'starting', summary: `it was placed on ${where} at ${since}, which has not reported yet` };
  }
  const { state, summary } = describeStatus(status, assignment.desired, where);
  const ports = describePorts(snapshot, { unit: name, machine }, assignment);
  return withDrain(pass, { unit: name, machine }, { state, summary: `${summary}${ports}` });
}

/** What is said of a unit, and what becomes of it when its machine is being drained. */
function withDrain(pass: Pass, at: Placement, said: Summary): Summary {
  const unit = wantedUnit(pass, at.unit);
  const home = pass.ledger.places.get(at.machine);
  const outlook = unit === undefined || home === undefined ? '' : drainOutlook(pass, unit, home);
  return outlook === '' ? said : { ...said, summary: `${said.summary}; ${outlook}` };
}

/** What a reported status means for a unit that is wanted loaded or launched. */
function describeStatus(status: UnitStatus, desired: 'loaded' | 'launched', where: string): Summary {
  if (status.problem !== '') return { state: 'failed', summary: `${where} cannot do what is asked: ${status.problem}` };
  const since = status.sinceMs === 0 ? '' : ` since ${new Date(status.sinceMs).toISOString()}`;
  switch (phaseOf(status)) {
    case 'running':
      if (desired === 'loaded') return { state: 'stopping', summary: `it is to stop, and still runs on ${where}` };
      return { state: 'running', summary: `it runs on ${where}${since}` };
    case 'starting':
      return { state: 'starting', summary: `it is starting on ${where}${since} (${status.sub})` };
    case 'restarting':
      return { state: 'failed', summary: `it ended on ${where} with ${failureOf(status)}, and systemd starts it again` };
    case 'stopping':
      return { state: 'stopping', summary: `it is stopping on ${where}${since} (${status.sub})` };
    case 'failed':
      return { state: 'failed', summary: `it failed on ${where}${since}: ${failureOf(status)}` };
    case 'done':
      return { state: 'done', summary: `it has run to its end with success on ${where}` };
    case 'ended':
      return { state: 'done', summary: `it was started on ${where} and has ended (${failureOf(status)})` };
    case 'stopped':
      if (desired === 'loaded') return { state: 'inactive', summary: `it is loaded on ${where}, and nobody asked for it to run` };
      return { state: 'starting', summary: `${where} has loaded it and is about to start it` };
  }
}

function summariseGlobal(pass: Pass, { name, held }: Asked): Summary {
  const there = held.filter(({ machine }) => pass.snapshot.machines.has(machine));
  const each = there.map((one) => summariseOn(pass, name, one));
  const failing = each.find((one) => one.state === 'failed');
  const fine = each.filter((one) => one.state === 'running' || one.state === 'done').length;
  const total = String(pass.snapshot.machines.size);
  const count = `it is global: it runs on ${String(fine)} of ${total} machines`;
  if (failing !== undefined) return { state: 'failed', summary: `${count}; ${failing.summary}` };
  const next = each.find((one) => one.state !== 'running' && one.state !== 'done');
  return next === undefined ? { state: 'running', summary: count } : { state: next.state, summary: `${count}; ${next.summary}` };
}

/** A machine that does not take a unit: why in short, and in full. */
interface RefusingMachine {
  readonly id: MachineId;
  readonly why: string;
  readonly full: string;
}

function refusalsOf(pass: Pass, unit: PlannedUnit): readonly RefusingMachine[] {
  const group = groupOf(pass, unit);
  return [...pass.ledger.places].flatMap(([id, at]) => {
    const refusal = groupRefusal(pass, group, at);
    return refusal === null || victimsFor(pass, group, at).length > 0 ? [] : [{ id, why: refusal.why, full: sayRefusal(refusal) }];
  });
}

/** Who would be pushed out of a machine for a unit that has none. */
function victimsFor(pass: Pass, group: readonly PlannedUnit[], at: Place): readonly PlannedUnit[] {
  const [unit] = group;
  if (unit === undefined || group.length > 1 || unit.row.home !== null) return [];
  return victimsOn(pass, unit, at) ?? [];
}

/** The unit with those that must be placed in the same step, because each of them is MachineOf another. */
function groupOf(pass: Pass, unit: PlannedUnit): readonly PlannedUnit[] {
  if (unit.section.machineOf.length === 0 || unit.row.home !== null) return [unit];
  const pending = pass.rows.flatMap(({ wanted, home }) => (wanted === null || wanted.section.global || home !== null ? [] : [wanted]));
  return [...groupByCircles(pending, graphByName(pending, ({ section }) => section.machineOf))].find((group) => group.includes(unit)) ?? [];
}

function verdictsOf(pass: Pass, unit: PlannedUnit, held: readonly Held[]): readonly MachineVerdict[] {
  const refusals = new Map(refusalsOf(pass, unit).map(({ id, full }) => [id, full]));
  const assigned = new Set(held.map(({ machine }) => machine));
  const others = [...pass.ledger.places.values()].filter(({ machine }) => !assigned.has(machine.id));
  const possible = others.filter(({ machine }) => !refusals.has(machine.id))
    .map((at) => ({ at, rank: rankOf(unit, at), victims: victimsFor(pass, [unit], at) }))
    .sort(betterFirst);
  return [
    ...chosenOnly(pass, held),
    ...possible.map((each) => verdict(each.at.machine, 'possible', sayFit(unit, each))),
    ...others.flatMap(({ machine }) => {
      const why = refusals.get(machine.id);
      return why === undefined ? [] : [verdict(machine, 'refused', why)];
    }),
  ];
}

interface Possible {
  readonly at: Place;
  readonly rank: Rank;
  /** Units that would have to leave first. */
  readonly victims: readonly PlannedUnit[];
}

function betterFirst(left: Possible, right: Possible): number {
  return Number(left.victims.length > 0) - Number(right.victims.length > 0)
    || Number(isBetterRank(right.rank, left.rank)) - Number(isBetterRank(left.rank, right.rank))
    || compareText(left.at.machine.id, right.at.machine.id);
}

/** What speaks for and against a machine that fits, in the order of rank.ts. */
function sayFit(unit: PlannedUnit, { at, victims }: Possible): string {
  const room = sayRoomLeft(unit, at);
  const fits = victims.length > 0 ? `it fits once ${sayVictims(victims)} has made room` : `it fits (${sayLoad(at)} there)`;
  return [fits, ...sayRank(unit, at), ...(room === '' ? [] : [room])].join('; ');
}

function chosenOnly(pass: Pass, held: readonly Held[]): readonly MachineVerdict[] {
  return held.map(({ machine, assignment }) => {
    const known = pass.snapshot.machines.get(machine);
    return known === undefined
      ? { id: machine, address: '', verdict: 'chosen', why: `${assignment.why}; the machine is gone` }
      : verdict(known, 'chosen', assignment.why);
  });
}

function verdict(machine: Machine, what: MachineVerdict['verdict'], why: string): MachineVerdict {
  return { id: machine.id, address: machine.publicIp, verdict: what, why };
}

function describeMachine(pass: Pass, id: MachineId): string {
  const address = pass.snapshot.machines.get(id)?.publicIp ?? '';
  return address === '' ? shortMachineId(id) : `${shortMachineId(id)}/${address}`;
}
