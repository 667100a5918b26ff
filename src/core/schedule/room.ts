/**
 * Room on machines: memory, CPU, and how many instances of a template.
 * Promises: what a unit asks for is counted wherever it stands; a machine is never filled beyond what it has by units that come, and
 * no unit that stands is told to leave because there is too little.
 */
import { printBytes, printCpus, printMemory } from '../amounts.ts';
import { roomOn } from '../placing-options.ts';
import type { Room } from '../placing-options.ts';
import type { Place, PlannedUnit } from './ledger.ts';

/** What is left on a machine; without end where the machine does not say what it has, and negative where more is asked for than there is. */
function roomLeft({ machine: { capacity }, memoryUsed, cpuUsed }: Place): Room {
  return {
    bytes: capacity.memoryBytes === 0 ? Infinity : capacity.memoryBytes - memoryUsed,
    cpuMillis: capacity.cpus === 0 ? Infinity : Math.round(capacity.cpus * 1_000) - cpuUsed,
  };
}

/** What a unit lacks on a machine, where others leave some room. */
export function shortage(unit: PlannedUnit, at: Place, freed: Room): Room {
  const wanted = roomOn(unit.section.placing, at.machine);
  const left = roomLeft(at);
  return {
    bytes: wanted.bytes === 0 ? 0 : Math.max(0, wanted.bytes - left.bytes - freed.bytes),
    cpuMillis: wanted.cpuMillis === 0 ? 0 : Math.max(0, wanted.cpuMillis - left.cpuMillis - freed.cpuMillis),
  };
}

/** What a machine lacks for a unit. */
type Lacking = { readonly why: string; readonly detail: string } | null;

export const noRoom: Room = { bytes: 0, cpuMillis: 0 };

/** What units take together. */
export function roomTogether(units: Iterable<PlannedUnit>, { machine }: Place): Room {
  let [bytes, cpuMillis] = [0, 0];
  for (const unit of units) {
    const room = roomOn(unit.section.placing, machine);
    bytes += room.bytes;
    cpuMillis += room.cpuMillis;
  }
  return { bytes, cpuMillis };
}

/** Whether a unit asks for memory or CPU. */
export function asksForRoom({ section: { placing: { memory, cpuMillis } } }: PlannedUnit): boolean {
  return memory !== null || cpuMillis !== null;
}

/** Memory: what the machine has less what all its units ask for. */
export function hasMemory(unit: PlannedUnit, at: Place): Lacking {
  const { memory } = unit.section.placing;
  if (memory === null || shortage(unit, at, replacedRoom(unit, at)).bytes === 0) return null;
  const share = 'bytes' in memory ? '' : `that is ${printBytes(roomOn(unit.section.placing, at.machine).bytes)} here, `;
  return { why: `needs ${printMemory(memory)} of memory`, detail: `${share}${sayMemoryLeft(at)}` };
}

/** CPU: likewise. */
export function hasCpus(unit: PlannedUnit, at: Place): Lacking {
  const { cpuMillis } = unit.section.placing;
  if (cpuMillis === null || shortage(unit, at, replacedRoom(unit, at)).cpuMillis === 0) return null;
  return { why: `needs ${sayCpus(cpuMillis)}`, detail: sayCpusLeft(at) };
}

/** MaxPerMachine: instances of the unit's template on the machine. */
export function staysBelowMax({ tally, section: { placing: { maxPerMachine } } }: PlannedUnit, { index }: Place): Lacking {
  if (tally === null || maxPerMachine === null) return null;
  const there = tally.on.get(index) ?? 0;
  if (there < maxPerMachine) return null;
  return { why: `at most ${String(maxPerMachine)} of ${tally.template} on a machine`, detail: `${String(there)} ${there === 1 ? 'is' : 'are'} there` };
}

/** "1G of 4G memory and 0.5 of 2 CPUs are free": as far as the unit asks for it. */
export function sayRoomLeft({ section: { placing: { memory, cpuMillis } } }: PlannedUnit, at: Place): string {
  return [memory === null ? [] : [sayMemoryLeft(at)], cpuMillis === null ? [] : [sayCpusLeft(at)]].flat().join(', ');
}

function sayMemoryLeft(at: Place): string {
  const { memoryBytes } = at.machine.capacity;
  return memoryBytes === 0 ? 'its memory is not known' : `${printBytes(Math.max(0, roomLeft(at).bytes))} of ${printBytes(memoryBytes)} memory free`;
}

function sayCpusLeft(at: Place): string {
  const { cpus } = at.machine.capacity;
  return cpus === 0 ? 'its CPUs are not known' : `${printCpus(Math.max(0, roomLeft(at).cpuMillis))} of ${sayCpus(cpus * 1_000)} free`;
}

function sayCpus(millis: number): string {
  return `${printCpus(millis)} ${millis === 1_000 ? 'CPU' : 'CPUs'}`;
}

/** What units take that leave when this one comes. */
function replacedRoom(unit: PlannedUnit, at: Place): Room {
  if (unit.replaceIds.length === 0) return noRoom;
  const replaced = new Set<PlannedUnit>();
  for (const id of unit.replaceIds) {
    for (const name of at.matched.get(id) ?? []) {
      const other = at.units.get(name);
      if (other !== undefined && !other.fixed && name !== unit.name) replaced.add(other);
    }
  }
  return roomTogether(replaced, at);
}
