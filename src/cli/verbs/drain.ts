/**
 * `fleetctl drain`: units leave machines, a few at a time.
 * Promises: with --block it ends with 0 once nothing is left on the machines but what stays, and says what that is; with 1 when the time is over; the
 * drain goes on in either case.
 */
import { Unreachable } from '../../client/errors.ts';
import { DeadlineExceeded, withDeadline } from '../../lib/deadline.ts';
import type { MachineView } from '../../protocol/machines.ts';
import { machineLabel } from '../columns.ts';
import { orderMachines, reasonOf } from '../machine-order.ts';
import type { Ordered } from '../machine-order.ts';
import { complain, exitCodes, print, refuse } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  const { environment, flags } = session;
  const ordered = await orderMachines(session, {
    action: 'drain', reason: reasonOf(session), keepFenced: flags.isOn('keep-fenced'), global: flags.isOn('global'),
  });
  if (!ordered.ok) return refuse(session, ordered.failure);
  if (!flags.isOn('block')) return exitCodes.done;
  const waiting = new Map<string, MachineView | null>(ordered.value.machines.map(({ id }) => [id, null]));
  try {
    const limitMs = flags.number('timeout') * 1_000;
    await withDeadline({ clock: environment.clock, limitMs, signal: environment.interrupted }, (late) =>
      untilDrained(session, { ordered: ordered.value, waiting }, late),
    );
    return exitCodes.done;
  } catch (error) {
    if (!(error instanceof DeadlineExceeded)) throw error;
    for (const [id, view] of waiting) {
      complain(session, `Machine ${machineLabel(view ?? { id, address: '' })} is not drained within ${flags.text('timeout')} s: ${view?.reason ?? ''}`);
    }
    return exitCodes.failed;
  }
}

interface Wait {
  readonly ordered: Ordered;
  /** Machines that are not drained yet, as they were last seen. */
  readonly waiting: Map<string, MachineView | null>;
}

/** Follows the machines until all are drained; one that goes meanwhile is waited for no longer. */
async function untilDrained(session: Session, { ordered, waiting }: Wait, signal: AbortSignal): Promise<void> {
  for await (const item of session.client.events({ kinds: ['machine'], atLeast: ordered.revision }, signal)) {
    if (item.kind !== 'event') continue;
    const { event } = item;
    if (event.kind === 'machine' && waiting.has(event.machine)) look(session, waiting, { id: event.machine, view: event.view });
    // All that are here have been told of.
    const gone = event.kind === 'current' ? [...waiting].filter(([, view]) => view === null) : [];
    for (const [id] of gone) look(session, waiting, { id, view: null });
    if (waiting.size === 0) return;
  }
  throw new Unreachable('the event stream ended');
}

/** Takes a machine off the list when there is nothing more to wait for, and says so. */
function look(session: Session, waiting: Wait['waiting'], { id, view }: { readonly id: string; readonly view: MachineView | null }): void {
  if (view?.state === 'draining') {
    waiting.set(id, view);
    return;
  }
  waiting.delete(id);
  if (view === null) return complain(session, `Machine ${id} is gone; nothing can leave it`);
  const how = view.state === 'drained' ? 'is drained' : 'is not drained any more';
  print(session, `Machine ${machineLabel(view)} ${how}${staysText(view)}`);
}

function staysText({ staying, reason }: MachineView): string {
  return staying === 0 ? '' : `: ${reason}`;
}
