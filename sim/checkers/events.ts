/** The promise of the event stream: whoever has followed it knows what the lists say. */
import { describePresent } from '../../src/api/events/describe-changes.ts';
import type { describeChanges } from '../../src/api/events/describe-changes.ts';
import { createEventHistory } from '../../src/api/events/event-history.ts';
import type { EventHistory, Frame } from '../../src/api/events/event-history.ts';
import { headOf } from '../../src/api/events/filter.ts';
import { createSectionReader } from '../../src/core/schedule/sections.ts';
import { createManualClock } from '../../src/lib/manual-clock.ts';
import type { Mirror } from '../../src/store/mirror.ts';
import type { SimProcess } from '../process.ts';
import type { Checker } from '../witness.ts';

type EventView = ReturnType<typeof describeChanges>[number];

/** Batches between two comparisons with everything there is: what was missed once is still missing then. */
const batchesPerLook = 20;

/** Somebody who began with the present state and has followed the events since. */
interface Follower {
  readonly mirror: Mirror;
  readonly history: EventHistory;
  position: number;
  /** Views as text, by what they are views of. */
  views: Map<string, string>;
  batches: number;
}

/** What a section says depends on the files alone, so one reader serves all runs. */
const sections = createSectionReader();

export const eventsTellAll: Checker = {
  name: 'events-tell-all',
  promise: 'whoever has begun with the present state and followed the events knows what the lists say',
  begin({ machines, broken }) {
    const followers = new Map<SimProcess, Follower>();
    const fresh = new Set<SimProcess>();
    const compare = (process: SimProcess, follower: Follower): void => {
      const missed = whatDiffers(follower.views, presentOf(follower.mirror));
      if (missed !== null) broken(`${missed} at revision ${follower.position} of ${process.name}, which its events have not told`);
    };
    return {
      heard: (process, part) => void (part === 'mirror' && fresh.add(process)),
      step(): void {
        for (const process of fresh) {
          const running = machines.find(({ id }) => id === process.machine)?.running();
          if (running?.process !== process) continue;
          const follower = followers.get(process) ?? begin(running.fleetd.mirror);
          followers.set(process, follower);
          follow(follower);
          follower.batches += 1;
          if (follower.batches % batchesPerLook === 0) compare(process, follower);
        }
        fresh.clear();
      },
      rest(): void {
        for (const { running } of machines) {
          const process = running()?.process;
          const follower = process === undefined ? undefined : followers.get(process);
          if (process !== undefined && follower !== undefined) compare(process, follower);
        }
      },
    };
  },
};

function begin(mirror: Mirror): Follower {
  const history = createEventHistory(mirror, { sections, clock: createManualClock() });
  history.subscribe(() => undefined);
  return { mirror, history, position: history.position(), views: presentOf(mirror), batches: 0 };
}

/** Takes over what is new; one who was too slow begins anew. */
function follow(follower: Follower): void {
  const { history, mirror, position } = follower;
  const recent = history.after(position);
  follower.position = recent?.position ?? history.position();
  if (recent === null) follower.views = presentOf(mirror);
  for (const frame of recent?.frames ?? []) {
    const event = eventOf(frame);
    const at = placeOf(event);
    if (at === null) continue;
    const view = textOf(event);
    if (view === null) follower.views.delete(at);
    else follower.views.set(at, view);
  }
}

/** Reads a frame as a client does. */
function eventOf({ kind, text }: Frame): EventView {
  const data = /^data: (.*)$/m.exec(text)?.[1] ?? '{}';
  return { kind, ...(JSON.parse(data) as object) } as EventView;
}

function presentOf(mirror: Mirror): Map<string, string> {
  const views = new Map<string, string>();
  for (const event of describePresent({ snapshot: mirror.snapshot(), sections }, ({ kind }) => kind !== 'history')) {
    const [at, view] = [placeOf(event), textOf(event)];
    if (at !== null && view !== null) views.set(at, view);
  }
  return views;
}

/** What an event is about; null for those that tell of no view. */
function placeOf(event: EventView): string | null {
  if (event.kind === 'history' || event.kind === 'current') return null;
  const named = event as { readonly name?: string; readonly machine?: string; readonly portName?: string };
  return [headOf(event).kind, named.name, named.machine, named.portName].join(' ');
}

/** The view in an event as text; null when it is gone. */
function textOf(event: EventView): string | null {
  switch (event.kind) {
    case 'unit':
      return print(event.unit);
    case 'assignment':
      // The address is its machine's, whose own events tell when it comes and goes.
      return print(event.assignment === null ? null : { ...event.assignment, address: '' });
    case 'status':
      return print(event.status);
    case 'release': {
      // How many units a release that has ended is about is not followed.
      const { name, state, paused, target, why } = event.release ?? {};
      return print(event.release === null ? null : { name, state, paused, target, why });
    }
    case 'machine': {
      // How far a drain has come depends on all other machines, and is told only when something of this one changes.
      const { id, address, hostname, metadata, units, leader, startedAtMs } = event.view ?? {};
      return print(event.view === null ? null : { id, address, hostname, metadata, units, leader, startedAtMs });
    }
    case 'service':
      return print(event.service);
    case 'history':
    case 'current':
      return null;
  }
}

const print = (view: object | null): string | null => (view === null ? null : JSON.stringify(view));

/** Something that one side has and the other has not, or has otherwise; null when there is nothing. */
function whatDiffers(known: ReadonlyMap<string, string>, real: ReadonlyMap<string, string>): string | null {
  for (const [at, view] of real) if (known.get(at) !== view) return `${at} is ${view}, not ${known.get(at) ?? 'known'}`;
  for (const at of known.keys()) if (!real.has(at)) return `${at} is gone`;
  return null;
}
