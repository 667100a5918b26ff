/** From what a keeper wrote to what the agent sees. Promises: pure. */
import type { UnitName } from '../../core/unit-name.ts';
import { notStarted } from '../../core/unit.ts';
import type { Observation } from '../runner.ts';
import type { KeeperState, Seen } from './keeper-state.ts';
import type { UnitRecord } from './unit-records.ts';

/** systemd has no word for it: the parent of the unit's processes was killed, so nobody knows how they ended. */
export const keeperLost = 'keeper-lost';

const down = { active: 'inactive', sub: 'dead', sinceMs: 0, result: 'success', exitStatus: null, succeeded: false, restarts: 0, mainPid: 0 };

/** What is seen of a loaded unit. */
export function observationOf(name: UnitName, record: UnitRecord, seen: Seen): Observation {
  const { hash, renderedHash, restart, reset } = record;
  // A keeper reads the newest instructions at each start, so there is never anything to reload.
  const known = { name, hash, renderedHash, restart, reset, load: 'loaded', needsReload: false };
  switch (seen.kind) {
    case 'never-started':
      return { ...known, ...down };
    case 'other-boot':
      return { ...known, ...down, restart: notStarted };
    case 'keeper-lost':
      return { ...known, ...down, active: 'failed', sub: 'failed', result: keeperLost, sinceMs: milliseconds(seen.state.sinceUs) };
    case 'kept':
    case 'ended':
      return { ...known, ...runOf(seen.state) };
  }
}

function runOf(state: KeeperState): Omit<typeof down, 'exitStatus'> & { readonly exitStatus: number | null } {
  const { active, sub, result, restarts, succeeded, mainPid } = state;
  const exitStatus = state.mainCode === 'exited' ? state.mainStatus : null;
  return { active, sub, result, restarts, succeeded, mainPid, exitStatus, sinceMs: milliseconds(state.sinceUs) };
}

const milliseconds = (microseconds: number): number => Math.floor(microseconds / 1_000);
