/**
 * Ports in words: why a machine has none for a unit (which range, how full it is, who has it), and which a unit has.
 * Promises: pure words; the sentence is alike on machines that are full alike, so that they are counted together.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import { printRange, rangeSize } from '../ports.ts';
import type { PortRange, PortRequest } from '../ports.ts';
import type { Assignment, Placement } from '../unit.ts';
import { templateOf } from '../unit-name.ts';
import { takenBy } from './port-book.ts';
import type { PortBook, PortSeeker } from './port-book.ts';
import type { PortsLacking } from './ports.ts';

/** Groups of holders, and single ports, that are named before the rest is only counted. */
const groupsMax = 3;
const portsMax = 10;

/** Says what a machine lacks. */
export function refuseForPorts(
  book: PortBook, seeker: PortSeeker, { request, range }: PortsLacking,
): { readonly why: string; readonly detail: string } {
  if (range === null) {
    const pool = 'pool' in request.from ? request.from.pool : '';
    return { why: `port ${request.name} needs the pool ${pool}, which fleetctl ports set ${pool} LOW-HIGH makes`, detail: '' };
  }
  const groups = new Map<string, number>();
  const held: string[] = [];
  for (let port = range.low; port <= range.high; port += 1) {
    const taken = takenBy(book, seeker, port) ?? 'this unit itself';
    const group = typeof taken === 'string' ? 'something that is not of fleet' : templateOf(taken.unit) ?? taken.unit;
    groups.set(group, (groups.get(group) ?? 0) + 1);
    if (held.length < portsMax) held.push(`${String(port)}: ${typeof taken === 'string' ? taken : taken.unit}`);
  }
  const sorted = [...groups].sort(([, left], [, right]) => right - left);
  const shown = sorted.slice(0, groupsMax).map(([group, count]) => `${String(count)} by ${group}`);
  const who = listed(shown, sorted.length);
  return { why: `port ${request.name}: ${sayFull(request, range)}: ${who}`, detail: listed(held, rangeSize(range)) };
}

function sayFull({ from }: PortRequest, range: PortRange): string {
  const size = rangeSize(range);
  const where = 'pool' in from ? `pool ${from.pool} (${printRange(range)})` : printRange(range);
  return size === 1 ? `the one port of ${where} is in use` : `all ${String(size)} ports of ${where} are in use`;
}

/** What is to be said about the ports of a unit on its machine: which, and what became of those it had; empty when it has none. */
export function describePorts({ machinePorts }: ClusterSnapshot, { unit, machine }: Placement, assignment: Assignment): string {
  const ports = Object.entries(assignment.ports);
  if (ports.length === 0) return '';
  const conflicts = machinePorts.get(machine)?.conflicts.filter((conflict) => conflict.unit === unit) ?? [];
  const notes = ports.flatMap(([name, port]) => {
    const conflict = conflicts.find((each) => each.port === port);
    const moved = assignment.portOrigins[name]?.why ?? '';
    if (conflict !== undefined) return [`port ${String(port)} is in use by something else: ${conflict.why}`];
    return moved === '' ? [] : [moved];
  });
  return [`; its ports: ${ports.map(([name, port]) => `${name} ${String(port)}`).join(', ')}`, ...notes].join('; ');
}

/** Those that are shown, and how many more there are. */
function listed(shown: readonly string[], count: number): string {
  const more = count - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${String(more)} more` : shown.join(', ');
}
