/**
 * The last step of a pass: what differs between where units stand in the ledger and in the snapshot.
 * Promises: units leave before others come; a unit that changes its machine does so in one decision.
 */
import type { MachineId } from '../machine.ts';
import { shortMachineId } from '../machine.ts';
import { isForgotten } from '../roster.ts';
import { compareText } from '../order.ts';
import { recordInTurn } from '../release/turns.ts';
import { unfenced, withoutPorts } from '../unit.ts';
import type { Assignment, UnitRecord } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import type { AssignmentContent, Decision } from './decision.ts';
import { isFinished } from './finished.ts';
import type { Held, Pass } from './pass.ts';
import { isWanted } from './pass.ts';

const kindOrder: readonly Decision['kind'][] = ['unassign', 'move', 'update', 'assign'];

/** All decisions of a pass. */
export function decide(pass: Pass): readonly Decision[] {
  const names = [...new Set([...pass.held.keys(), ...pass.wanted.keys()])].sort(compareText);
  const decisions = names.flatMap((name) => (pass.untouched.has(name) ? [] : decideUnit(pass, name)));
  return kindOrder.flatMap((kind) => decisions.filter((decision) => decision.kind === kind));
}

function decideUnit(pass: Pass, name: UnitName): readonly Decision[] {
  const held = pass.held.get(name) ?? [];
  const record = pass.snapshot.units.get(name);
  if (record === undefined || !isWanted(name, record)) {
    const why = unwantedWhy(record);
    return held.map(({ machine }) => ({ kind: 'unassign', unit: name, why, machine }));
  }
  const homes = homesOf(pass, name, held);
  const stay = held.filter(({ machine }) => homes.has(machine));
  const go = held.filter(({ machine }) => !homes.has(machine));
  const come = [...homes].filter((machine) => !held.some((one) => one.machine === machine));
  const isGlobal = pass.wanted.get(name)?.section.global === true;
  const followed = ({ machine, assignment }: Held): UnitRecord =>
    (isGlobal ? recordInTurn(pass.snapshot, { unit: name, machine }, assignment) : record);
  const decisions: Decision[] = stay.flatMap((one) => updateOf(pass, { name, record: followed(one) }, one));
  const [to] = come;
  const [from] = go;
  const moves = to !== undefined && from !== undefined && !isGlobal;
  if (moves) decisions.push(moveOf(pass, { name, record, from, to }));
  else for (const machine of come) decisions.push(assignOf(pass, { name, record, machine }));
  for (const { machine } of moves ? go.slice(1) : go) {
    const why = pass.goes.get(name)?.get(machine) ?? forgottenWhy(pass, machine) ?? `it runs on ${[...homes].map(shortMachineId).join(', ')}`;
    decisions.push({ kind: 'unassign', unit: name, why, machine });
  }
  return decisions;
}

function forgottenWhy({ snapshot }: Pass, machine: MachineId): string | null {
  return isForgotten(snapshot, machine) ? `its machine ${shortMachineId(machine)} is gone and was forgotten` : null;
}

/** A unit with what a person wants of it. */
interface WantedUnit {
  readonly name: UnitName;
  readonly record: UnitRecord;
}

/** The same with the machine it is to be on. */
interface WantedOn extends WantedUnit {
  readonly machine: MachineId;
}

function unwantedWhy(record: UnitRecord | undefined): string {
  if (record === undefined) return 'the unit was destroyed';
  return record.desired === 'inactive' ? 'the unit is wanted inactive' : 'a template itself does not run';
}

/**
 * The machines a unit is to have. One that is gone may come back with the unit still running, so a unit without a better
 * machine keeps it, and a global unit keeps all that are gone.
 */
function homesOf(pass: Pass, name: UnitName, held: readonly Held[]): ReadonlySet<MachineId> {
  const homes = new Set(pass.ledger.homes.get(name));
  const gone = held.map(({ machine }) => machine)
    .filter((machine) => !pass.ledger.places.has(machine) && !isForgotten(pass.snapshot, machine));
  if (pass.wanted.get(name)?.section.global === true || pass.fileless.has(name)) return new Set([...homes, ...gone]);
  const [first] = gone;
  if (homes.size === 0 && first !== undefined) homes.add(first);
  return homes;
}

function contentOf(pass: Pass, { name, record, machine }: WantedOn, why: string): AssignmentContent {
  const [first] = pass.held.get(name) ?? [];
  // A file that cannot be used does not replace one that runs.
  const hash = pass.fileless.has(name) && first !== undefined ? first.assignment.hash : record.hash;
  const desired = record.desired === 'launched' ? 'launched' : 'loaded';
  const wish = { hash, desired, restart: record.restart } as const;
  const isGlobal = pass.wanted.get(name)?.section.global === true;
  return { ...wish, ...withoutPorts, release: record.release, why, finished: isFinished(pass.snapshot, { name, machine, isGlobal }, wish), ...unfenced };
}

function assignOf(pass: Pass, on: WantedOn): Decision {
  const { name, machine } = on;
  const why = comesWhy(pass, name, machine);
  return { kind: 'assign', unit: name, why, machine, content: contentOf(pass, on, why) };
}

function moveOf(pass: Pass, move: WantedUnit & { readonly from: Held; readonly to: MachineId }): Decision {
  const { name, record, from, to } = move;
  const isGone = !pass.ledger.places.has(from.machine);
  const goes = isGone
    ? `its machine ${shortMachineId(from.machine)} is gone`
    : pass.goes.get(name)?.get(from.machine) ?? 'it has another machine';
  const comes = comesWhy(pass, name, to);
  return {
    kind: 'move', unit: name, why: `${goes}; ${comes}`, from: from.machine, machine: to,
    content: contentOf(pass, { name, record, machine: to }, comes),
    unrest: isGone && pass.snapshot.roster.get(from.machine)?.left !== true,
  };
}

function comesWhy(pass: Pass, name: UnitName, machine: MachineId): string {
  return pass.comes.get(name)?.get(machine) ?? 'the machine fits';
}

function updateOf(pass: Pass, { name, record }: WantedUnit, { machine, assignment }: Held): readonly Decision[] {
  const content: AssignmentContent = {
    ...contentOf(pass, { name, record, machine }, assignment.why), ports: assignment.ports,
    ...(pass.fileless.has(name) ? { hash: assignment.hash } : {}),
  };
  const why = changes(assignment, content).join(', ');
  return why === '' ? [] : [{ kind: 'update', unit: name, why, machine, content, before: assignment }];
}

function changes(before: Assignment, content: AssignmentContent): readonly string[] {
  const found: string[] = [];
  if (before.hash !== content.hash) found.push(`its file changed from ${before.hash.slice(0, 7)} to ${content.hash.slice(0, 7)}`);
  if (before.desired !== content.desired) found.push(`it is wanted ${content.desired}`);
  if (!before.finished && content.finished) found.push('it has run to its end with success');
  if (before.restart !== content.restart) found.push(`restart ${String(content.restart)} was asked for`);
  return found;
}
