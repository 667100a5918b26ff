/**
 * Sets of machines as bits, by their place in the order of ids, and machines sorted by load.
 * Promises: the least loaded machine of a set is found without looking at the others; of equally loaded ones the lower id comes first.
 */

/** A set of machines: bit `index % 32` of word `index / 32`. */
export type MachineBits = Uint32Array;

export function emptyBits(machineCount: number): MachineBits {
  return new Uint32Array(Math.ceil(machineCount / 32));
}

export function setBit(bits: MachineBits, index: number): void {
  const word = index >>> 5;
  bits[word] = (bits[word] ?? 0) | (1 << (index & 31));
}

export function clearBit(bits: MachineBits, index: number): void {
  const word = index >>> 5;
  bits[word] = (bits[word] ?? 0) & ~(1 << (index & 31));
}

export function hasBit(bits: MachineBits, index: number): boolean {
  return ((bits[index >>> 5] ?? 0) & (1 << (index & 31))) !== 0;
}

/** Machines that are in both sets. */
export function inBoth(left: MachineBits, right: MachineBits): MachineBits {
  const both = left.slice();
  for (let at = 0; at < both.length; at += 1) both[at] = (both[at] ?? 0) & (right[at] ?? 0);
  return both;
}

/** Machines that are in the first set alone. */
export function inFirstOnly(left: MachineBits, right: MachineBits): MachineBits {
  const rest = left.slice();
  for (let at = 0; at < rest.length; at += 1) rest[at] = (rest[at] ?? 0) & ~(right[at] ?? 0);
  return rest;
}

export function isEmpty(bits: MachineBits): boolean {
  for (let at = 0; at < bits.length; at += 1) if (bits[at] !== 0) return false;
  return true;
}

/** A set of machines that changes: a few by index, or many as bits. */
export interface Marks {
  mark(index: number): void;
  unmark(index: number): void;
  /** Takes all that are marked out of a set. */
  clearFrom(bits: MachineBits): void;
}

export function createMarks(machineCount: number): Marks {
  const few = new Set<number>();
  let many: MachineBits | null = null;
  return {
    mark(index) {
      if (many !== null) {
        setBit(many, index);
        return;
      }
      few.add(index);
      if (few.size * 32 <= machineCount) return;
      many = emptyBits(machineCount);
      for (const each of few) setBit(many, each);
    },
    unmark(index) {
      few.delete(index);
      if (many !== null) clearBit(many, index);
    },
    clearFrom(bits) {
      if (many === null) for (const index of few) clearBit(bits, index);
      else for (let word = 0; word < bits.length; word += 1) bits[word] = (bits[word] ?? 0) & ~(many[word] ?? 0);
    },
  };
}

/** Under which load no machine of a set is, and with that load in which words none; it stays true while loads only grow. */
export interface Floor {
  load: number;
  word: number;
}

/** A floor that is true of every set. */
export function lowestFloor(): Floor {
  return { load: -1, word: 0 };
}

/** Machines by load. */
export interface LoadOrder {
  /** A machine's load has changed; a load it had not before is -1. */
  move(index: number, loads: { readonly from: number; readonly to: number }): void;
  /** Raises a floor that is true of a set to the first machine of the set. */
  raise(floor: Floor, set: MachineBits): void;
  /** The first machine of `among` that `takes`, least loaded first, then by index; null when none does. The floor is true of `among`. */
  least(among: MachineBits, takes: (index: number) => boolean, floor: Floor): number | null;
  /** The same, most loaded first. */
  most(among: MachineBits, takes: (index: number) => boolean): number | null;
}

interface Level {
  readonly load: number;
  readonly bits: MachineBits;
  count: number;
}

/** An order in which no machine is yet. */
export function createLoadOrder(machineCount: number): LoadOrder {
  /** Ascending by load, none of them empty. */
  const levels: Level[] = [];
  /** Empty sets of levels that are no more: to make one costs more than all else about a move. */
  const spare: MachineBits[] = [];
  const positionOf = (load: number): number => {
    let low = 0;
    let high = levels.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((levels[middle]?.load ?? Infinity) < load) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const leave = (index: number, load: number): void => {
    const position = positionOf(load);
    const level = levels[position];
    if (level?.load !== load) return;
    clearBit(level.bits, index);
    level.count -= 1;
    if (level.count > 0) return;
    levels.splice(position, 1);
    spare.push(level.bits);
  };
  const enter = (index: number, load: number): void => {
    const position = positionOf(load);
    let level = levels[position];
    if (level?.load !== load) levels.splice(position, 0, level = { load, bits: spare.pop() ?? emptyBits(machineCount), count: 0 });
    setBit(level.bits, index);
    level.count += 1;
  };
  return {
    move(index, { from, to }) {
      leave(index, from);
      enter(index, to);
    },
    raise(floor, set) {
      for (let at = positionOf(floor.load); at < levels.length; at += 1) {
        const level = levels[at];
        const word = level === undefined ? null : firstWordOf(level.bits, set, wordOf(floor, level));
        if (level === undefined || word === null) continue;
        floor.load = level.load;
        floor.word = word;
        return;
      }
      floor.load = Infinity;
    },
    least(among, takes, floor) {
      for (let at = positionOf(floor.load); at < levels.length; at += 1) {
        const level = levels[at];
        const found = level === undefined ? null : firstOf(level.bits, { among, fromWord: wordOf(floor, level) }, takes);
        if (found !== null) return found;
      }
      return null;
    },
    most(among, takes) {
      for (let at = levels.length - 1; at >= 0; at -= 1) {
        const level = levels[at];
        const found = level === undefined ? null : firstOf(level.bits, { among, fromWord: 0 }, takes);
        if (found !== null) return found;
      }
      return null;
    },
  };
}

/** Where a search begins in a level. */
function wordOf(floor: Floor, { load }: Level): number {
  return load === floor.load ? floor.word : 0;
}

/** The first word in which sets have a machine in common; null when there is none. */
function firstWordOf(bits: MachineBits, set: MachineBits, fromWord: number): number | null {
  for (let word = fromWord; word < bits.length; word += 1) if (((bits[word] ?? 0) & (set[word] ?? 0)) !== 0) return word;
  return null;
}

interface Among {
  readonly among: MachineBits;
  readonly fromWord: number;
}

function firstOf(bits: MachineBits, { among, fromWord }: Among, takes: (index: number) => boolean): number | null {
  for (let word = fromWord; word < bits.length; word += 1) {
    let left = (bits[word] ?? 0) & (among[word] ?? 0);
    while (left !== 0) {
      const bit = 31 - Math.clz32(left & -left);
      const index = word * 32 + bit;
      if (takes(index)) return index;
      left &= left - 1;
    }
  }
  return null;
}
