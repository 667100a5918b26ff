/**
 * A cluster of fleet 1.0 as it is read for taking it over, however it was read.
 * Promises: types and pure functions; what cannot be taken over is named, never left out silently.
 */
import type { DesiredState } from '../../protocol/v2.ts';

/** One unit of the original cluster. */
export interface OriginalUnit {
  readonly name: string;
  readonly text: string;
  readonly desired: DesiredState;
  /** Id of the machine it is scheduled to; '' for none, and for global units. */
  readonly machine: string;
  /** systemd's ActiveState by machine, as the machines last reported it. */
  readonly active: ReadonlyMap<string, string>;
}

/** Metadata set at run time: an empty value hides the machine's own. */
export interface OriginalMetadata {
  readonly machine: string;
  readonly key: string;
  readonly value: string;
}

export interface OriginalCluster {
  readonly units: readonly OriginalUnit[];
  readonly metadata: readonly OriginalMetadata[];
  /** What could not be read, one line each. */
  readonly problems: readonly string[];
}

/** What is to become of a unit. */
export interface Takeover {
  readonly name: string;
  readonly text: string;
  readonly desired: DesiredState;
  /** The machine where it runs and is to be taken over; '' when it may be placed anywhere. */
  readonly adoptOn: string;
  /** What the person should know about it; '' when nothing. */
  readonly note: string;
}

/** systemd's words for a unit that neither runs nor is about to. */
const isDown = (active: string): boolean => active === 'inactive' || active === 'failed';

/**
 * How a unit is taken over. One that was launched and has ended is taken over as loaded: launched, it would run once
 * more on the day of the move, though nobody asked for that.
 */
export function takeOver(unit: OriginalUnit): Takeover {
  const { name, text, machine } = unit;
  const active = unit.active.get(machine);
  const hasEnded = unit.desired === 'launched' && active !== undefined && isDown(active);
  const isPlaced = unit.desired !== 'inactive' && /^[0-9a-f]{32}$/.test(machine);
  return {
    name,
    text,
    desired: hasEnded ? 'loaded' : unit.desired,
    adoptOn: isPlaced ? machine : '',
    note: hasEnded
      ? `${name} was launched and is ${active} now: it is taken over as loaded, so that the move does not run it again`
      : '',
  };
}
