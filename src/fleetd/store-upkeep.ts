/**
 * What a fleetd does for the health of its store, and what it tells of it.
 * Promises: an embedded store keeps itself, and says itself when it cannot; etcd is looked after by every fleetd and compacted by the one that leads.
 */
import type { StoreHealth } from '../api/needs.ts';
import type { EngineReport } from '../engine/report.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { EtcdStore } from '../store/etcd/etcd-store.ts';
import { createEtcdHealth, etcdTroubles, keepEtcd } from '../store/etcd/upkeep.ts';
import type { Mirror } from '../store/mirror.ts';
import type { MirrorRest } from '../store/resting-mirror.ts';

export interface StoreUpkeep {
  /** null: nothing is known, because there is nothing to look at or it has not answered yet. */
  health(): StoreHealth | null;
  /** What keeps the store from taking changes. */
  troubles(): readonly string[];
  run(signal: AbortSignal): Promise<void>;
}

export interface StoreUpkeepNeeds {
  /** null: the store is not etcd. */
  readonly etcd: EtcdStore | null;
  /** Why the store takes no changes, as far as it says so itself; null when it does. */
  readonly trouble: () => string | null;
  readonly mirror: Mirror;
  /** Tells whether the mirror rests and shows nothing; null when it never does. */
  readonly rest: Pick<MirrorRest, 'isResting'> | null;
  readonly engine: EngineReport;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

export function createStoreUpkeep({ etcd, trouble, mirror, rest, engine, intervalMs, clock, log }: StoreUpkeepNeeds): StoreUpkeep {
  const own = (): readonly string[] => [trouble()].filter((line) => line !== null);
  if (etcd === null) return { health: () => null, troubles: own, run: () => Promise.resolve() };
  const health = createEtcdHealth();
  return {
    health(): StoreHealth | null {
      const { status, compactions, compactedTo } = health;
      if (status === null) return null;
      const { databaseBytes, databaseBytesInUse, alarms, version } = status;
      return { databaseBytes, databaseBytesInUse, alarms, version, compactions, compactedTo };
    },
    troubles: () => (health.status === null ? [] : etcdTroubles(health)),
    run: (signal) => keepEtcd({
      store: etcd, health, leads: () => engine.role === 'leading', hasLeader: () => rest?.isResting() === true || mirror.snapshot().leader !== null,
      intervalMs, clock, log,
    }, signal),
  };
}
