/**
 * Which of many glob patterns match a unit name, without trying each of them: patterns are looked up by their literal beginning.
 * Promises: the same answer as trying every pattern; a pattern has one id however many units use it.
 */
import { compileGlob } from '../glob.ts';
import type { Glob } from '../glob.ts';
import type { UnitName } from '../unit-name.ts';

/** Stands for one distinct pattern of an index. */
export type PatternId = number;

export interface PatternIndex {
  /** Ids of patterns, each once; patterns that are new are added. */
  idsOf(patterns: readonly string[]): readonly PatternId[];
  /** Ids of all patterns that match a name. */
  matching(name: UnitName): readonly PatternId[];
  /** How many there are. */
  size(): number;
}

/** A pattern without wildcards is found by name, others by what stands before their first wildcard. */
const wildcards = /[*?[\\]/;

/** An index that grows with every pattern it is asked about. */
export function createPatternIndex(): PatternIndex {
  const ids = new Map<string, PatternId>();
  const exact = new Map<string, PatternId>();
  const byPrefix = new Map<string, { readonly id: PatternId; readonly matches: Glob }[]>();
  const prefixLengths = new Set<number>();
  /** Units of one file have their patterns in common. */
  const known = new WeakMap<readonly string[], readonly PatternId[]>();

  const add = (pattern: string): PatternId => {
    const id = ids.size;
    ids.set(pattern, id);
    const literal = pattern.search(wildcards);
    if (literal === -1) {
      exact.set(pattern, id);
      return id;
    }
    const glob = compileGlob(pattern);
    // A malformed pattern matches nothing; it was refused when the unit was submitted.
    if (!glob.ok) return id;
    const prefix = pattern.slice(0, literal);
    prefixLengths.add(prefix.length);
    const sharing = byPrefix.get(prefix);
    if (sharing === undefined) byPrefix.set(prefix, [{ id, matches: glob.value }]);
    else sharing.push({ id, matches: glob.value });
    return id;
  };
  const matching = (name: UnitName): readonly PatternId[] => {
    const itself = exact.size === 0 ? undefined : exact.get(name);
    let found = itself === undefined ? none : [itself];
    for (const length of prefixLengths) {
      for (const { id, matches } of byPrefix.get(name.slice(0, length)) ?? none) {
        if (matches(name)) found = found.length === 0 ? [id] : [...found, id];
      }
    }
    return found;
  };
  return {
    idsOf(patterns) {
      if (patterns.length === 0) return none;
      let found = known.get(patterns);
      if (found === undefined) known.set(patterns, found = [...new Set(patterns.map((pattern) => ids.get(pattern) ?? add(pattern)))]);
      return found;
    },
    matching,
    size: () => ids.size,
  };
}

/** Most units name no pattern and are matched by none: all of them share this. */
const none: readonly never[] = [];
