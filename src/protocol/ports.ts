/**
 * Ports and pools of ports as API v2 has them.
 * Promises: plain JSON types without behaviour; every field name is the glossary's word.
 *
 * GET  /ports             -> PortList      every port that is given out
 * GET  /port-pools        -> PoolList
 * GET  /port-pools/NAME   -> PoolDetails   with the ports given out of it
 * POST /port-pools/NAME   PoolWish -> PoolAnswer   makes, changes or removes a pool
 */

/** A port that a unit was given on a machine. */
export interface PortView {
  readonly unit: string;
  readonly machine: string;
  /** The machine's address. */
  readonly address: string;
  readonly name: string;
  readonly port: number;
  /** The range it was given out of, as it was then. */
  readonly low: number;
  readonly high: number;
  /** The pool it was given out of; null for a range of the unit's own. */
  readonly pool: string | null;
  readonly scope: 'machine' | 'cluster';
  /** When it was given out, milliseconds since the epoch. */
  readonly sinceMs: number;
  /** Why it is not the port the unit had before; empty when nothing was wrong with that. */
  readonly why: string;
}

export interface PortList {
  readonly revision: number;
  readonly ports: readonly PortView[];
}

export interface PoolView {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  /** Ports of it that are given out, over all machines. */
  readonly given: number;
  readonly changedAtMs: number;
  readonly changedBy: string;
}

export interface PoolList {
  readonly revision: number;
  readonly pools: readonly PoolView[];
}

export interface PoolDetails extends PoolView {
  readonly ports: readonly PortView[];
}

/** What a pool is to be. */
export interface PoolWish {
  /** "20001-20010"; null removes the pool. */
  readonly range: string | null;
  /** Do it although the range overlaps that of another pool, or ports outside of it are given out. */
  readonly force?: boolean;
  /** Who asks, for the record. */
  readonly by?: string;
}

export interface PoolAnswer {
  readonly revision: number;
  /** Null once it is removed. */
  readonly pool: PoolView | null;
  /** What may go wrong with this range, one line each. */
  readonly warnings: readonly string[];
}
