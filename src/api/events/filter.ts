/**
 * Which events a stream wants.
 * Promises: `current` always passes; history and services pass only when they are asked for by kind; with a filter of
 * units, events of machines pass only when they are asked for by kind.
 */
import type { EventView } from '../../protocol/v2.ts';

export type EventKind = EventView['kind'];
export const eventKinds: readonly EventKind[] = [
  'unit', 'assignment', 'status', 'release', 'machine', 'history', 'service', 'current',
];

/** null takes everything. */
export interface EventFilter {
  readonly units: ReadonlySet<string> | null;
  readonly services: ReadonlySet<string> | null;
  readonly kinds: ReadonlySet<string> | null;
}

/** What a filter looks at. */
export interface EventHead {
  readonly kind: EventKind;
  /** The unit it is about; null when it is about none. */
  readonly unit: string | null;
  /** The service it is about; absent when it is about none. */
  readonly service?: string;
}

export function passes({ units, services, kinds }: EventFilter, { kind, unit, service }: EventHead): boolean {
  if (kind === 'current') return true;
  if (service !== undefined) return kinds?.has(kind) === true && services?.has(service) !== false;
  if (kinds === null ? kind === 'history' : !kinds.has(kind)) return false;
  if (units === null) return true;
  return unit === null ? kind === 'machine' && kinds !== null : units.has(unit);
}

export function headOf(event: EventView): EventHead {
  if (event.kind === 'service') return { kind: 'service', unit: null, service: event.name };
  return { kind: event.kind, unit: 'name' in event ? event.name : null };
}

/**
 * An event as a frame of server-sent events (WHATWG HTML section 9.2): JSON has no line ends, so one data line is
 * enough.
 */
export function frameOf(event: EventView, revision: number): string {
  const { kind, ...data } = event;
  return `id: ${revision}\nevent: ${kind}\ndata: ${JSON.stringify(data)}\n\n`;
}
