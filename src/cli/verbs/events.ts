/**
 * `fleetctl events`: what happened to a unit, a machine or everything, and why.
 * Promises: oldest first; with --follow every event is printed once, over broken connections too, and until interrupted.
 */
import type { FleetClient } from '../../client/client.ts';
import { shortMachineId } from '../../core/machine.ts';
import { limits } from '../../core/limits.ts';
import type { HistoryEventView, HistoryList } from '../../protocol/v2.ts';
import { complain, exitCodes, print, printJson } from '../session.ts';
import type { Session } from '../session.ts';
import { formatTable } from '../table.ts';

/** Events a follower remembers having printed, so that a stream that begins anew repeats nothing. */
const printedMax = 20_000;

export async function run(session: Session): Promise<number> {
  const { client, environment, flags, words } = session;
  const [subject, ...others] = words;
  if (others.length > 0) {
    complain(session, 'One unit or machine can be named, or none');
    return exitCodes.usage;
  }
  const lines = flags.number('lines');
  if (lines < 1 || lines > limits.historyLinesMax) {
    complain(session, `--lines=${flags.text('lines')} should be a number from 1 to ${limits.historyLinesMax}`);
    return exitCodes.usage;
  }
  const list = await client.history({ lines, ...(subject === undefined ? {} : { subject }) }, environment.interrupted);
  if (list === null) {
    complain(session, `Nothing is remembered of a unit or machine "${subject ?? ''}".`);
    return exitCodes.failed;
  }
  if (flags.isOn('follow')) return follow(session, list);
  if (flags.text('output') === 'json') printJson(session, list.events);
  else environment.stdout.write(formatTable([headings, ...list.events.map((event) => rowOf(event, flags.isOn('full')))]));
  return exitCodes.done;
}

const headings = ['TIME', 'UNIT', 'MACHINE', 'EVENT', 'WHY'];

function rowOf({ atMs, unit, machine, what, why, count }: HistoryEventView, full: boolean): readonly string[] {
  const where = machine === '' ? '-' : full ? machine : shortMachineId(machine);
  const times = count > 1 ? `${what} (${count} times)` : what;
  return [new Date(atMs).toISOString().replace(/\.\d+/, ''), unit ?? '-', where, times, why];
}

/** Prints what is remembered, then what happens. */
async function follow(session: Session, list: HistoryList): Promise<number> {
  const { client, environment, flags } = session;
  const printed = new Set<string>();
  const isJson = flags.text('output') === 'json';
  const show = (event: HistoryEventView): void => {
    if (isJson) print(session, JSON.stringify(event));
    else print(session, rowOf(event, flags.isOn('full')).join('\t'));
  };
  const showOnce = (event: HistoryEventView, isNew: boolean): void => {
    const text = JSON.stringify(event);
    if (printed.has(text)) return;
    printed.add(text);
    const [oldest] = printed;
    if (printed.size > printedMax && oldest !== undefined) printed.delete(oldest);
    if (isNew) show(event);
  };
  for (const event of list.events) showOnce(event, true);
  // The stream tells everything first, also what --lines has cut off: that is older than what was printed.
  const beginsMs = list.events[0]?.atMs ?? 0;
  for await (const event of eventsOf(client, list, environment.interrupted)) showOnce(event, event.atMs >= beginsMs);
  return exitCodes.done;
}

async function* eventsOf(
  client: FleetClient,
  { unit, machine, revision }: HistoryList,
  signal: AbortSignal,
): AsyncGenerator<HistoryEventView> {
  const query = { kinds: ['history'] as const, atLeast: revision, ...(unit === null ? {} : { units: [unit] }) };
  for await (const item of client.events(query, signal)) {
    if (item.kind !== 'event' || item.event.kind !== 'history') continue;
    const { event } = item.event;
    if (machine === null || event.machine === machine) yield event;
  }
}
