/** Randomness as an argument: a seed reproduces a run. */

/** A source of numbers in [0, 1). */
export interface Random {
  next(): number;
}

/** A name that no other has: 32 hexadecimal characters. Not for secrets. */
export function randomName(random: Random): string {
  const digits = Array.from({ length: 32 }, () => Math.floor(random.next() * 16).toString(16));
  return digits.join('');
}

/** A small seeded generator (mulberry32): good enough for jitter and simulation, not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next(): number {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
    },
  };
}
