/** Ports and pools as API v2 shows them. Promises: sorted, by unit, machine and name, and pools by name; from one snapshot. */
import type { ClusterSnapshot } from '../../core/cluster.ts';
import { compareText } from '../../core/order.ts';
import type { PortPool } from '../../core/ports.ts';
import type { PoolView, PortView } from '../../protocol/ports.ts';
import { addressOf, sortedKeys } from '../views.ts';

/** Every port that is given out. */
export function describePorts(snapshot: ClusterSnapshot): readonly PortView[] {
  const views: PortView[] = [];
  for (const [machine, assignments] of snapshot.assignments) {
    const address = addressOf(snapshot, machine);
    for (const [unit, { ports, portOrigins }] of assignments) {
      for (const [name, port] of Object.entries(ports)) {
        const { low, high, pool, scope, sinceMs, why } = portOrigins[name] ?? { ...ofItself(port), sinceMs: 0, why: '' };
        views.push({ unit, machine, address, name, port, low, high, pool, scope, sinceMs, why });
      }
    }
  }
  return views.sort((left, right) =>
    compareText(left.unit, right.unit) || compareText(left.machine, right.machine) || compareText(left.name, right.name));
}

/** A port nobody wrote the origin of: all that is known is the port. */
const ofItself = (port: number): Pick<PortView, 'low' | 'high' | 'pool' | 'scope'> =>
  ({ low: port, high: port, pool: null, scope: 'machine' });

/** The ports given out of a pool. */
export function portsOfPool(snapshot: ClusterSnapshot, name: string): readonly PortView[] {
  return describePorts(snapshot).filter(({ pool }) => pool === name);
}

export function describePools(snapshot: ClusterSnapshot): readonly PoolView[] {
  const given = new Map<string, number>();
  for (const { pool } of describePorts(snapshot)) if (pool !== null) given.set(pool, (given.get(pool) ?? 0) + 1);
  return sortedKeys(snapshot.portPools).flatMap((name) => {
    const pool = snapshot.portPools.get(name);
    return pool === undefined ? [] : [poolView(name, pool, given.get(name) ?? 0)];
  });
}

export function poolView(name: string, { low, high, changedAtMs, changedBy }: PortPool, given: number): PoolView {
  return { name, low, high, given, changedAtMs, changedBy };
}
