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
import type { Held } from './board.ts';
import { namesIn } from './pass.ts';
import type { Pass } from './pass.ts';
import { cursorRecords } from './port-book.ts';
import { givenPorts, noPortsOf } from './ports.ts';
import type { Steps } from './steps.ts';

const kindOrder: readonly Decision['kind'][] = ['unassign', 'move', 'update', 'assign'];

/** All decisions of a pass. */
export function* decide(pass: Pass): Steps<readonly Decision[]> {
  const decisions: Record<Decision['kind'], Decision[]> = { unassign: [], move: [], update: [], assign: [] };
  for (const name of namesIn(pass)) {
    if (!pass.untouched.has(name)) for (const decision of decideUnit(pass, name)) decisions[decision.kind].push(decision);
    yield;
  }
  return kindOrder.flatMap((kind) => decisions[kind]);
}

function decideUnit(pass: Pass, name: UnitName): readonly Decision[] {
  const held = pass.held.get(name) ?? [];
  const record = pass.snapshot.units.get(name);
  if (record === undefined || !isWanted(name, record)) {
    const why = unwantedWhy(record);
    return held.map((one) => ({ kind: 'unassign', unit: name, why, machine: one.machine, former: record === undefined ? null : formerOf(one) }));
  }
  if (held.length === 0) {
    return inOrder(pass.ledger.homes.get(name)).map((machine) => assignOf(pass, { name, record, machine }));
  }
  const [only] = held;
  const isSettled = held.length === 1 && only !== undefined && pass.ledger.homes.isJust(name, only.machine);
  if (isSettled && pass.wanted.get(name)?.section.global === false) return updateOf(pass, { name, record }, only);
  const homes = homesOf(pass, name, held);
  const stay = held.filter(({ machine }) => homes.has(machine));
  const go = held.filter(({ machine }) => !homes.has(machine));
  const holders = new Set(held.map(({ machine }) => machine));
  const come = inOrder(homes).filter((machine) => !holders.has(machine));
  const isGlobal = pass.wanted.get(name)?.section.global === true;
  const followed = ({ machine, assignment }: Held): UnitRecord =>
    (isGlobal ? recordInTurn(pass.snapshot, { unit: name, machine }, assignment) : record);
  const decisions: Decision[] = stay.flatMap((one) => updateOf(pass, { name, record: followed(one) }, one));
  const [to] = come;
  const [from] = go;
  const moves = to !== undefined && from !== undefined && !isGlobal;
  if (moves) decisions.push(moveOf(pass, { name, record, from, to }));
  else for (const machine of come) decisions.push(assignOf(pass, { name, record, machine }));
  for (const one of moves ? go.slice(1) : go) {
    const { machine } = one;
    const why = pass.goes.get({ unit: name, machine }) ?? forgottenWhy(pass, machine)
      ?? `it runs on ${inOrder(homes).map(shortMachineId).join(', ')}`;
    decisions.push({ kind: 'unassign', unit: name, why, machine, former: moves ? null : formerOf(one) });
  }
  return decisions;
}

/** How units came to their machines does not show. */
function inOrder(machines: ReadonlySet<MachineId> | undefined): readonly MachineId[] {
  return machines === undefined ? [] : [...machines].sort(compareText);
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
  const wish = { hash, desired, restart: record.restart, reset: record.reset } as const;
  const isGlobal = pass.wanted.get(name)?.section.global === true;
  const finished = isFinished(pass.snapshot, { name, machine, isGlobal }, wish);
  return { ...wish, ...withoutPorts, release: record.release, why, finished, ...fenceAt(pass, name, machine) };
}

function assignOf(pass: Pass, on: WantedOn): Decision {
  const { name, machine } = on;
  const why = comesWhy(pass, name, machine);
  const content = { ...contentOf(pass, on, why), ...portsOf(pass, { unit: name, machine }, null) };
  return { kind: 'assign', unit: name, why, machine, content, cursors: cursorsOf(pass, { unit: name, machine }) };
}

function moveOf(pass: Pass, move: WantedUnit & { readonly from: Held; readonly to: MachineId }): Decision {
  const { name, record, from, to } = move;
  const isGone = !pass.ledger.places.has(from.machine);
  const goes = isGone
    ? `its machine ${shortMachineId(from.machine)} is gone`
    : pass.goes.get({ unit: name, machine: from.machine }) ?? 'it has another machine';
  const comes = comesWhy(pass, name, to);
  return {
    kind: 'move', unit: name, why: `${goes}; ${comes}`, from: from.machine, machine: to,
    content: { ...contentOf(pass, { name, record, machine: to }, comes), ...portsOf(pass, { unit: name, machine: to }, null) },
    cursors: cursorsOf(pass, { unit: name, machine: to }), former: formerOf(from),
    unrest: isGone && pass.snapshot.roster.get(from.machine)?.left !== true,
  };
}

/** The ports a unit was given; those it had, for one about which nothing was decided: its machine is gone, say. */
function portsOf(pass: Pass, { unit, machine }: Placement, before: Assignment | null): PortPart {
  const standing = pass.ledger.places.get(machine)?.units.get(unit);
  if (standing?.fixed === false && standing.section.ports.length === 0) return noPortsOf(pass.ledger.ports, { unit: standing, machine }, before);
  const given = givenPorts(pass.ledger.ports, unit, machine);
  if (given !== undefined) return { release: given.release, ports: given.ports, portOrigins: given.origins, portMoves: given.moves };
  const { release, ports, portOrigins, portMoves } = before ?? withoutPorts;
  return { release, ports, portOrigins, portMoves };
}

function cursorsOf(pass: Pass, { unit, machine }: Placement): ReadonlyMap<CursorScope, PortCursors> {
  return cursorRecords(pass.ledger.ports, givenPorts(pass.ledger.ports, unit, machine));
}

function formerOf({ machine, assignment: { ports, release } }: Held): FormerPorts | null {
  return Object.keys(ports).length === 0 ? null : { machine, release, ports };
}

function comesWhy(pass: Pass, name: UnitName, machine: MachineId): string {
  return pass.comes.get({ unit: name, machine }) ?? 'the machine fits';
}

/** The fence of a unit that comes to a machine. */
function fenceAt(pass: Pass, name: UnitName, machine: MachineId): PlacementFence {
  const section = pass.wanted.get(name)?.section;
  const at = pass.ledger.places.get(machine);
  const file = pass.snapshot.files.get(pass.snapshot.units.get(name)?.hash ?? '' as FileHash)?.file;
  if (section === undefined || at === undefined || file === undefined) return unfenced;
  const fences = (pass.held.get(name) ?? []).map(({ assignment }) => assignment.fence);
  return fenceOf({ section, file, machine: at.machine, token: tokenAt(pass.snapshot), fences });
}

/** The fence of a unit that stays: another only when its file asks for it, so that no other change restarts it. */
function fenceStaying(pass: Pass, { name, machine, hash }: { name: UnitName; machine: MachineId; hash: FileHash }, before: Assignment): PlacementFence {
  const { fence, lostAfterMs, goneAfterMs, leaving } = before;
  const at = pass.ledger.places.get(machine);
  const isJudged = pass.wanted.get(name) !== undefined && at !== undefined && canFence(at.machine);
  if (!isJudged || (before.hash === hash && fence > 0)) return { fence, lostAfterMs, goneAfterMs, leaving };
  return fenceAfterUpdate(before, fenceAt(pass, name, machine));
}

function updateOf(pass: Pass, { name, record }: WantedUnit, { machine, assignment }: Held): readonly Decision[] {
  if (assignment.leaving) {
    // It is placed anew only once it is known to have stopped; until then nothing is asked of it.
    return isReleased(pass.snapshot, { machine, unit: name }) ? [assignOf(pass, { name, record, machine })] : [];
  }
  const content: AssignmentContent = {
    ...contentOf(pass, { name, record, machine }, assignment.why), ...portsOf(pass, { unit: name, machine }, assignment),
    ...(pass.fileless.has(name) ? { hash: assignment.hash } : {}),
    ...fenceStaying(pass, { name, machine, hash: record.hash }, assignment),
  };
  const why = changes(assignment, content).join(', ');
  return why === '' ? [] : [{ kind: 'update', unit: name, why, machine, content, before: assignment, cursors: cursorsOf(pass, { unit: name, machine }) }];
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
