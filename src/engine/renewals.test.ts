/** When an engine asks the store about leases, because a machine has vanished, and what it takes from the answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptySnapshot } from '../core/cluster.ts';
import type { Machine, MachineId } from '../core/machine.ts';
import { createLog } from '../lib/log.ts';
import { createManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { keys } from '../store/keys.ts';
import { createMemoryStore } from '../store/memory-store.ts';
import type { StoreFault } from '../store/memory-store.ts';
import type { Mirror } from '../store/mirror.ts';
import type { MassLoss } from './mass-loss.ts';
import { askRenewals } from './renewals.ts';
import type { Term } from './term.ts';

const ttlMs = 30_000;
const never = new AbortController().signal;
/** When it is asked; long after the beginning of the clock. */
const askedAtMs = 100_000;

interface Case {
  /** Since when the leader's own lease was renewed without a miss. */
  readonly steadySinceMs?: number;
  /** The same of its machine's lease. */
  readonly machineSteadySinceMs?: number;
  /** Machines that have vanished. */
  readonly vanished?: readonly string[];
  /** How long the lease of machine b is asked for, and how long the machine says that it is. */
  readonly leaseMs?: number;
  readonly fault?: StoreFault;
  /** How many machines more the cluster has. */
  readonly others?: number;
}

/** What the mass loss hears of a cluster of which machine b is there, renewed four seconds ago; null when nothing is asked. */
async function heard({ steadySinceMs = 0, machineSteadySinceMs = askedAtMs, vanished = ['a'], leaseMs = ttlMs, fault = {}, others = 0 }: Case): Promise<object | null> {
  const clock = createManualClock();
  const store = createMemoryStore({ clock });
  await clock.advance(askedAtMs - 4_000);
  const lease = await store.lease({ ttlMs: leaseMs }, never);
  await store.commit({ guards: [], changes: [{ kind: 'put', key: keys.machine('b' as MachineId), value: '{}', leaseId: lease.id }] }, never);
  await clock.advance(4_000);
  const ids = ['b', ...Array.from({ length: others }, (_, index) => `other-${String(index)}`)] as MachineId[];
  const machines = new Map(ids.map((id) => [id, { id, ttlMs } as Machine]));
  let told: object | null = null;
  const massLoss: Pick<MassLoss, 'justVanished' | 'hearRenewals'> = {
    justVanished: () => vanished as MachineId[],
    hearRenewals: (of, ages) => void (told = { of, ages: Object.fromEntries(ages) }),
  };
  const asked = askRenewals(
    {
      store: store.client(() => fault), clock, ttlMs, random: seededRandom(1), log: createLog('engine', 'error', () => undefined),
      machine: 'b' as MachineId, steadySinceMs: () => machineSteadySinceMs, mirror: { snapshot: () => ({ ...emptySnapshot, machines }) } as unknown as Mirror,
    },
    { massLoss: massLoss as MassLoss, term: { held: { steadySinceMs } } as Term }, never,
  );
  await clock.advance(ttlMs);
  await asked;
  store.close();
  return told;
}

const rows: readonly (readonly [what: string, given: Case, heard: object | null])[] = [
  ['that others have renewed', {}, { of: ['a'], ages: { b: 4_000 } }],
  ['nothing when nobody has vanished', { vanished: [] }, null],
  ['nothing while the store has not answered without a miss for twice the lease time', { steadySinceMs: askedAtMs - 2 * ttlMs + 1 }, null],
  ['again as soon as it has', { steadySinceMs: askedAtMs - 2 * ttlMs }, { of: ['a'], ages: { b: 4_000 } }],
  ['that others have renewed, also just elected, on a machine whose lease was renewed all along',
    { steadySinceMs: askedAtMs, machineSteadySinceMs: askedAtMs - 2 * ttlMs }, { of: ['a'], ages: { b: 4_000 } }],
  ['nothing of a lease that lives longer than was asked for', { leaseMs: ttlMs + 10_000 }, { of: ['a'], ages: {} }],
  ['nothing of more machines than it may ask for', { others: 1_000 }, null],
  ['nothing from a store that refuses', { fault: { fails: 'before' } }, null],
  ['nothing from a store that answers too late', { fault: { delayMs: ttlMs / 3 + 1 } }, null],
];
for (const [what, given, expected] of rows) {
  test(`of a loss an engine hears ${what}`, async () => assert.deepEqual(await heard(given), expected));
}
