/**
 * Pools of ports that unit files name. Pure.
 * Promises: a unit is not wanted anywhere while a pool it draws from does not exist: it could be placed on no machine; what stands
 * keeps its ports, whatever has become of its pool.
 */
import type { ClusterSnapshot } from '../../core/cluster.ts';
import { failure, type Failure } from '../../core/failure.ts';
import type { FleetSection } from '../../core/fleet-section.ts';
import { keys } from '../../store/keys.ts';

/** The pools that a section names, each once. */
export function poolsNamed({ ports }: Pick<FleetSection, 'ports'>): readonly string[] {
  return [...new Set(ports.flatMap(({ from }) => ('pool' in from ? [from.pool] : [])))];
}

/** Why a unit that names these pools can be placed nowhere; null when all of them exist. A record of another version exists, too. */
export function whyNoPool({ portPools, unreadable }: ClusterSnapshot, pools: readonly string[]): Failure | null {
  const missing = pools.find((pool) => !portPools.has(pool) && !unreadable.has(keys.portPool(pool)));
  if (missing === undefined) return null;
  return failure('POOL_NOT_FOUND', `Port=${missing}: there is no pool "${missing}"; make it with "fleetctl ports set ${missing} LOW-HIGH"`).failure;
}
