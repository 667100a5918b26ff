/**
 * The last step of a pass: what differs between where units stand in the ledger and in the snapshot.
 * Promises: units leave before others come; a unit that changes its machine does so in one decision.
 */
import { isReleased } from '../fence/hold-fenced.ts';
import { canFence, fenceAfterUpdate, fenceOf, tokenAt } from '../fence/placement.ts';
import type { PlacementFence } from '../fence/placement.ts';
import type { MachineId } from '../machine.ts';
import { shortMachineId } from '../machine.ts';
import { isForgotten } from '../roster.ts';
import { compareText } from '../order.ts';
import { recordInTurn } from '../release/turns.ts';
import type { CursorScope } from '../cluster.ts';
import type { FormerPorts, PortCursors } from '../ports.ts';
import { unfenced, withoutPorts } from '../unit.ts';
import type { Assignment, FileHash, Placement, PortPart, UnitRecord } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import type { AssignmentContent, Decision } from './decision.ts';
import { isFinished } from './finished.ts';
import { isWanted } from './board.ts';
import { rowsIn } from './pass.ts';
import type { Pass } from './pass.ts';
import { cursorRecords, noCursors } from './port-book.ts';
import { givenPorts, noPortsOf } from './ports.ts';
import { comingWhy, homesOf, isHome } from './rows.ts';
import type { Held, Row } from './rows.ts';
import { createPace } from './steps.ts';
import type { Steps } from './steps.ts';

/** All decisions of a pass. */
export function* decide(pass: Pass): Steps<readonly Decision[]> {
  const decisions: Record<Decision['kind'], Decision[]> = { unassign: [], move: [], update: [], assign: [] };
  const isStep = createPace();
  for (const row of rowsIn(pass)) {
    if (!pass.untouched.has(row.name)) for (const decision of decideUnit(pass, row)) decisions[decision.kind].push(decision);
    row.comes = null;
    if (isStep()) yield;
  }
  return decisions.unassign.concat(decisions.move, decisions.update, decisions.assign);
}

function decideUnit(pass: Pass, row: Row): readonly Decision[] {
  const { name, record, held, home } = row;
  if (record === undefined || !isWanted(name, record)) {
    const why = unwantedWhy(record);
    return held.map((one) => ({ kind: 'unassign', unit: name, why, machine: one.machine, former: record === undefined ? null : formerOf(one) }));
  }
  const unit: WantedUnit = { row, record };
  if (held.length === 0) {
    if (typeof home === 'string') return [assignOf(pass, unit, home)];
    return inOrder(homesOf(row)).map((machine) => assignOf(pass, unit, machine));
  }
  const [only] = held;
  const isSettled = held.length === 1 && only !== undefined && home === only.machine;
  const isGlobal = row.wanted?.section.global === true;
  if (isSettled && row.wanted !== null && !isGlobal) return updateOf(pass, unit, only);
  return decideHeld(pass, unit);
}

/** What becomes of a unit that has assignments, some of which may be to go. */
function decideHeld(pass: Pass, unit: WantedUnit): readonly Decision[] {
  const { row, record } = unit;
  const { name, held } = row;
  const homes = machinesToHave(pass, row);
  const stay = held.filter(({ machine }) => homes.has(machine));
  const go = held.filter(({ machine }) => !homes.has(machine));
  const holders = new Set(held.map(({ machine }) => machine));
  const come = inOrder(homes).filter((machine) => !holders.has(machine));
  const isGlobal = row.wanted?.section.global === true;
  const followed = ({ machine, assignment }: Held): UnitRecord =>
    (isGlobal ? recordInTurn(pass.snapshot, { unit: name, machine }, assignment) : record);
  const decisions: Decision[] = stay.flatMap((one) => updateOf(pass, { row, record: followed(one) }, one));
  const [to] = come;
  const [from] = go;
  const moves = to !== undefined && from !== undefined && !isGlobal;
  if (moves) decisions.push(moveOf(pass, unit, { from, to }));
  else for (const machine of come) decisions.push(assignOf(pass, unit, machine));
  for (const one of moves ? go.slice(1) : go) {
    const { machine } = one;
    const why = pass.goes.get({ unit: name, machine }) ?? forgottenWhy(pass, machine)
      ?? `it runs on ${inOrder(homes).map(shortMachineId).join(', ')}`;
    decisions.push({ kind: 'unassign', unit: name, why, machine, former: moves ? null : formerOf(one) });
  }
  return decisions;
}

/** How units came to their machines does not show. */
function inOrder(machines: ReadonlySet<MachineId>): readonly MachineId[] {
  return [...machines].sort(compareText);
}

function forgottenWhy({ snapshot }: Pass, machine: MachineId): string | null {
  return isForgotten(snapshot, machine) ? `its machine ${shortMachineId(machine)} is gone and was forgotten` : null;
}

/** A unit with what a person wants of it, on a machine perhaps. */
interface WantedUnit {
  readonly row: Row;
  readonly record: UnitRecord;
}

function unwantedWhy(record: UnitRecord | undefined): string {
  if (record === undefined) return 'the unit was destroyed';
  return record.desired === 'inactive' ? 'the unit is wanted inactive' : 'a template itself does not run';
}

/**
 * The machines a unit is to have. One that is gone may come back with the unit still running, so a unit without a better
 * machine keeps it, and a global unit keeps all that are gone.
 */
function machinesToHave(pass: Pass, row: Row): ReadonlySet<MachineId> {
  const homes = new Set(homesOf(row));
  const gone = row.held.map(({ machine }) => machine)
    .filter((machine) => !pass.ledger.places.has(machine) && !isForgotten(pass.snapshot, machine));
  if (row.wanted?.section.global === true || pass.fileless.has(row.name)) return new Set([...homes, ...gone]);
  const [first] = gone;
  if (homes.size === 0 && first !== undefined) homes.add(first);
  return homes;
}

/** Where a unit is to be, and what it has there already; null when it comes there. */
interface Standing {
  readonly machine: MachineId;
  readonly before: Assignment | null;
}

function contentOf(pass: Pass, unit: WantedUnit, standing: Standing & { readonly why: string }): AssignmentContent {
  const { row, record } = unit;
  const { machine, before, why } = standing;
  const hash = hashOf(pass, unit, before);
  const desired = record.desired === 'launched' ? 'launched' : 'loaded';
  const { restart, reset } = record;
  const isGlobal = row.wanted?.section.global === true;
  const held = before ?? row.held.find((one) => one.machine === machine)?.assignment;
  const finished = isFinished(pass.snapshot, { name: row.name, machine, isGlobal, held }, { hash, desired, restart });
  const { release, ports, portOrigins, portMoves } = portsOf(pass, row, standing);
  const { fence, lostAfterMs, goneAfterMs, leaving } = before === null ? fenceAt(pass, row, machine) : fenceStaying(pass, unit, { machine, before });
  // Written out, because there may be a million of them.
  return { hash, desired, restart, reset, release, ports, portOrigins, portMoves, why, finished, fence, lostAfterMs, goneAfterMs, leaving };
}

/** A file that cannot be used does not replace one that runs. */
function hashOf({ fileless }: Pass, { row: { name, held: [first] }, record }: WantedUnit, before: Assignment | null): FileHash {
  return fileless.has(name) ? (before ?? first?.assignment)?.hash ?? record.hash : record.hash;
}

function assignOf(pass: Pass, unit: WantedUnit, machine: MachineId): Decision {
  const why = comesWhy(unit.row, machine);
  const content = contentOf(pass, unit, { machine, before: null, why });
  return { kind: 'assign', unit: unit.row.name, why, machine, content, cursors: cursorsOf(pass, unit.row, machine) };
}

function moveOf(pass: Pass, unit: WantedUnit, { from, to }: { readonly from: Held; readonly to: MachineId }): Decision {
  const { row } = unit;
  const isGone = !pass.ledger.places.has(from.machine);
  const goes = isGone
    ? `its machine ${shortMachineId(from.machine)} is gone`
    : pass.goes.get({ unit: row.name, machine: from.machine }) ?? 'it has another machine';
  const comes = comesWhy(row, to);
  return {
    kind: 'move', unit: row.name, why: `${goes}; ${comes}`, from: from.machine, machine: to,
    content: contentOf(pass, unit, { machine: to, before: null, why: comes }), cursors: cursorsOf(pass, row, to), former: formerOf(from),
    unrest: isGone && pass.snapshot.roster.get(from.machine)?.left !== true,
  };
}

/** The ports a unit was given; those it had, for one about which nothing was decided: its machine is gone, say. */
function portsOf(pass: Pass, row: Row, { machine, before }: Standing): PortPart {
  const { name, wanted } = row;
  if (wanted?.section.ports.length === 0 && isHome(row, machine)) {
    return noPortsOf(pass.ledger.ports, { unit: wanted, machine }, before);
  }
  const given = givenPorts(pass.ledger.ports, name, machine);
  if (given === undefined) return before ?? withoutPorts;
  return { release: given.release, ports: given.ports, portOrigins: given.origins, portMoves: given.moves };
}

function cursorsOf({ ledger: { ports } }: Pass, { name, wanted }: Row, machine: MachineId): ReadonlyMap<CursorScope, PortCursors> {
  return wanted?.section.ports.length === 0 ? noCursors : cursorRecords(ports, givenPorts(ports, name, machine));
}

function formerOf({ machine, assignment: { ports, release } }: Held): FormerPorts | null {
  return Object.keys(ports).length === 0 ? null : { machine, release, ports };
}

function comesWhy(row: Row, machine: MachineId): string {
  return comingWhy(row, machine) ?? 'the machine fits';
}

/** The fence of a unit that comes to a machine. */
function fenceAt(pass: Pass, { record, wanted, held }: Row, machine: MachineId): PlacementFence {
  const section = wanted?.section;
  if (section === undefined || section.onMachineLost === 'keep') return unfenced;
  const at = pass.ledger.places.get(machine);
  const file = pass.snapshot.files.get(record?.hash ?? '' as FileHash)?.file;
  if (at === undefined || file === undefined) return unfenced;
  const fences = held.map(({ assignment }) => assignment.fence);
  return fenceOf({ section, file, machine: at.machine, token: tokenAt(pass.snapshot), fences });
}

/** The fence of a unit that stays: another only when its file asks for it, so that no other change restarts it. */
function fenceStaying(pass: Pass, unit: WantedUnit, { machine, before }: { readonly machine: MachineId; readonly before: Assignment }): PlacementFence {
  const at = pass.ledger.places.get(machine);
  const isJudged = unit.row.wanted !== null && at !== undefined && canFence(at.machine);
  if (!isJudged || (before.hash === unit.record.hash && before.fence > 0)) return before;
  return fenceAfterUpdate(before, fenceAt(pass, unit.row, machine));
}

function updateOf(pass: Pass, unit: WantedUnit, { machine, assignment }: Held): readonly Decision[] {
  const { row } = unit;
  if (assignment.leaving) {
    // It is placed anew only once it is known to have stopped; until then nothing is asked of it.
    return isReleased(pass.snapshot, { machine, unit: row.name }) ? [assignOf(pass, unit, machine)] : [];
  }
  const content = contentOf(pass, unit, { machine, before: assignment, why: assignment.why });
  const why = changes(assignment, content).join(', ');
  return why === '' ? [] : [{ kind: 'update', unit: row.name, why, machine, content, before: assignment, cursors: cursorsOf(pass, row, machine) }];
}

function changes(before: Assignment, content: AssignmentContent): readonly string[] {
  const found: string[] = [];
  if (before.hash !== content.hash) found.push(`its file changed from ${before.hash.slice(0, 7)} to ${content.hash.slice(0, 7)}`);
  if (before.desired !== content.desired) found.push(`it is wanted ${content.desired}`);
  if (!before.finished && content.finished) found.push('it has run to its end with success');
  if ((before.fence === 0) !== (content.fence === 0)) found.push(content.fence === 0 ? 'it is fenced no more' : 'it is fenced');
  if (before.restart !== content.restart) found.push(`restart ${String(content.restart)} was asked for`);
  if (before.reset !== content.reset) found.push('its failures are to be forgotten');
  if (before.release !== content.release) found.push(`release ${String(content.release)} was asked for`);
  return [...found, ...portChanges(before, content)];
}

/** What changes about the ports of a unit that stays. */
function portChanges(before: Assignment, content: AssignmentContent): readonly string[] {
  const found: string[] = [];
  for (const [name, port] of Object.entries(content.ports)) {
    const origin = content.portOrigins[name];
    const had = before.ports[name];
    const why = origin?.why ?? '';
    if (had === undefined) found.push(`it is given port ${name} ${String(port)}`);
    else if (had !== port) found.push(`port ${name} is ${String(port)} instead of ${String(had)}${why === '' ? '' : `: ${why}`}`);
  }
  for (const name of Object.keys(before.ports)) if (!(name in content.ports)) found.push(`it asks for no port ${name} any more`);
  return found;
}
