/**
 * What becomes of a wish about a pool.
 * Promises: pure; a pool that overlaps another, or that would leave out ports that are given out, is refused unless it is forced,
 * and even then no port is taken from anybody; what may go wrong later is a warning that names the range it is about.
 */
import type { ClusterSnapshot } from '../../core/cluster.ts';
import { failure, success, type Result } from '../../core/failure.ts';
import { shortMachineId } from '../../core/machine.ts';
import { inRange, parsePortRange, printRange, rangesOverlap, rangeWarnings, type PortRange } from '../../core/ports.ts';
import type { PoolView, PortView } from '../../protocol/ports.ts';
import { keys } from '../../store/keys.ts';
import type { Revision } from '../../store/store.ts';
import type { Basis, Decision } from '../write/decision.ts';
import { poolView, portsOfPool } from './views.ts';

export interface PoolWished {
  readonly name: string;
  readonly range: string | null;
  readonly force: boolean;
  readonly by: string;
}

export interface PoolDecided {
  readonly pool: PoolView | null;
  readonly warnings: readonly string[];
}

export function decidePool(basis: Basis, wish: PoolWished): Result<Decision<PoolDecided>> {
  return wish.range === null ? decideUnset(basis, wish) : decideSet(basis, wish, wish.range);
}

function decideUnset(basis: Basis, { name, force }: PoolWished): Result<Decision<PoolDecided>> {
  const { snapshot } = basis;
  const key = keys.portPool(name);
  // What cannot be read can still be removed.
  if (!snapshot.portPools.has(name) && !snapshot.unreadable.has(key)) return failure('POOL_NOT_FOUND', `there is no pool "${name}"`);
  const given = portsOfPool(snapshot, name);
  if (given.length > 0 && !force) return failure('POOL_IN_USE', `pool "${name}" has ports that are given out: ${sayPorts(given)}; ${forceHint}`);
  return success({ plan: planOf(basis, name, null), answer: { pool: null, warnings: [] } });
}

const forceHint = 'with --force it is done all the same, and no unit loses its port';

function decideSet(basis: Basis, wish: PoolWished, text: string): Result<Decision<PoolDecided>> {
  const { name, force, by } = wish;
  const { snapshot, nowMs } = basis;
  const range = parsePortRange(text);
  if (!range.ok) return range;
  const overlaps = overlapsOf(snapshot, name, range.value);
  if (overlaps.length > 0 && !force) {
    return failure('POOL_OVERLAPS', `${printRange(range.value)} overlaps ${overlaps.join(', ')}; choose another range, or use --force`);
  }
  const given = portsOfPool(snapshot, name);
  const outside = given.filter(({ port }) => !inRange(range.value, port));
  if (outside.length > 0 && !force) {
    return failure('POOL_IN_USE', `ports of pool "${name}" outside of ${printRange(range.value)} are given out: ${sayPorts(outside)}; ${forceHint}`);
  }
  const pool = { ...range.value, changedAtMs: nowMs, changedBy: by };
  const before = snapshot.portPools.get(name);
  const isSame = before?.low === pool.low && before.high === pool.high;
  const warnings = [
    ...overlaps.map((overlap) => `${printRange(range.value)} overlaps ${overlap}`), ...rangeWarnings(range.value, ephemeralRanges(snapshot)),
  ];
  const answer: PoolDecided = { pool: poolView(name, isSame ? before : pool, given.length), warnings };
  return success({ plan: isSame ? nothing : planOf(basis, name, pool), answer });
}

const nothing = { units: [], files: new Map<never, never>(), unchanged: [] } as const;

function planOf(basis: Basis, name: string, record: NonNullable<Decision<unknown>['plan']['pool']>['record']): Decision<unknown>['plan'] {
  return { ...nothing, pool: { name, record, basis: basis.modRevision(keys.portPool(name)) as Revision | 0 } };
}

function overlapsOf({ portPools }: ClusterSnapshot, name: string, range: PortRange): readonly string[] {
  return [...portPools].filter(([other, pool]) => other !== name && rangesOverlap(pool, range))
    .map(([other, pool]) => `pool "${other}" (${printRange(pool)})`);
}

/** The ranges that machines give to outgoing connections, each once. */
function ephemeralRanges({ machinePorts }: ClusterSnapshot): readonly PortRange[] {
  const ranges = [...machinePorts.values()].flatMap(({ ephemeral }) => ephemeral ?? []);
  return [...new Map(ranges.map((range) => [printRange(range), range])).values()];
}

const portsShownMax = 3;

function sayPorts(ports: readonly PortView[]): string {
  const shown = ports.slice(0, portsShownMax).map(({ port, unit, machine }) => `${String(port)} to ${unit} on ${shortMachineId(machine)}`);
  const more = ports.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${String(more)} more` : ''}`;
}
