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

/** Machines by load. */
export interface LoadOrder {
  /** A machine's load has changed; a load it had not before is -1. */
  move(index: number, loads: { readonly from: number; readonly to: number }): void;
  /** The first machine of `among` that `takes`, least loaded first (most loaded with `pack`), then by index; null when none does. */
  first(among: MachineBits, takes: (index: number) => boolean, strategy?: 'spread' | 'pack'): number | null;
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
    if (level.count === 0) levels.splice(position, 1);
  };
  const enter = (index: number, load: number): void => {
    const position = positionOf(load);
    let level = levels[position];
    if (level?.load !== load) levels.splice(position, 0, level = { load, bits: emptyBits(machineCount), count: 0 });
    setBit(level.bits, index);
    level.count += 1;
  };
  return {
    move(index, { from, to }) {
      leave(index, from);
      enter(index, to);
    },
    first(among, takes, strategy = 'spread') {
      for (let step = 0; step < levels.length; step += 1) {
        const level = levels[strategy === 'spread' ? step : levels.length - 1 - step];
        const found = level === undefined ? null : firstOf(level.bits, among, takes);
        if (found !== null) return found;
      }
      return null;
    },
  };
}

function firstOf(bits: MachineBits, among: MachineBits, takes: (index: number) => boolean): number | null {
  for (let word = 0; word < bits.length; word += 1) {
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
