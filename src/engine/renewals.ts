/**
 * Asks the store whether machines that are there still renew their leases, when others have just vanished.
 * Promises: asks only then, and only about so many machines that it takes no time to speak of; trouble of the store leaves the question open.
 */
import type { MachineId } from '../core/machine.ts';
import { withDeadline } from '../lib/deadline.ts';
import { keys, parseKey } from '../store/keys.ts';
import { isStoreTrouble } from '../store/lease-keeper.ts';
import type { Mirror } from '../store/mirror.ts';
import type { MassLoss } from './mass-loss.ts';
import { answerMsMax } from './term.ts';
import type { Term, TermNeeds } from './term.ts';

/** With more machines than this a loss waits for its time instead: etcd answers for one lease at a time. */
const machinesMax = 1_000;

export interface RenewalNeeds extends TermNeeds {
  /** Follows the store; run by whoever made it. */
  readonly mirror: Mirror;
  /** Since when the store has answered every renewal of this machine's own lease in time (Clock.uptimeMs()); null while it has none. */
  readonly steadySinceMs?: () => number | null;
}

/** Tells `massLoss` how long ago machines have renewed, if a loss is in question. */
export async function askRenewals(
  needs: RenewalNeeds, { massLoss, term }: { readonly massLoss: MassLoss; readonly term: Term }, signal: AbortSignal,
): Promise<void> {
  const { store, mirror, clock, ttlMs } = needs;
  // A store that stood still let leases end of machines that could not renew them; those that were faster afterwards prove nothing. A leader
  // that has just been elected knows by the lease of its machine.
  const steadySinceMs = Math.min(term.held.steadySinceMs, needs.steadySinceMs?.() ?? Infinity);
  if (clock.uptimeMs() - steadySinceMs < 2 * ttlMs) return;
  const { machines } = mirror.snapshot();
  const vanished = massLoss.justVanished(clock.uptimeMs());
  if (machines.size > machinesMax || vanished.length === 0) return;
  try {
    const left = await withDeadline({ clock, limitMs: answerMsMax(needs), signal }, (late) => store.lifetimes(keys.allMachines, late));
    const ages = new Map<MachineId, number>();
    for (const [key, leftMs] of left) {
      const meaning = parseKey(key);
      const machine = meaning?.kind === 'machine' ? machines.get(meaning.machine) : undefined;
      // A lease that the store made longer than was asked for, as etcd may when its leader changes, says nothing of when it was renewed.
      if (machine !== undefined && leftMs <= machine.ttlMs) ages.set(machine.id, machine.ttlMs - leftMs);
    }
    massLoss.hearRenewals(vanished, ages);
  } catch (error) {
    signal.throwIfAborted();
    if (!isStoreTrouble(error)) throw error;
  }
}
