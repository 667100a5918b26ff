/**
 * A machine that has booted while the store is away starts what it had last, so that a site comes up after a power cut; also etcd itself,
 * if that is one of its units. Fenced units wait: nobody knows whether they run elsewhere by now.
 * Promises: only in a boot in which the store has not been heard yet; nothing is stopped, restarted or unloaded by it; it ends for good as soon
 * as the store answers, and then what it started is compared with what the store says.
 */
import type { Step } from '../core/reconcile/step.ts';
import type { Assignment } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Bell } from '../lib/wakeups.ts';
import type { Copy } from './local-copy.ts';
import type { UnitFiles } from './unit-files.ts';

/** How long a fleetd that has just begun waits for the store: longer than one that is there needs, also for a change of leader. */
const graceMs = 5_000;

export interface ColdStart {
  /** What the machine had last, once it is time to start it; null otherwise. */
  assignments(): ReadonlyMap<UnitName, Assignment> | null;
  /** Waits for its time; ends with the signal. */
  run(signal: AbortSignal): Promise<void>;
}

export interface ColdStartNeeds {
  readonly clock: Clock;
  readonly log: Log;
  readonly bell: Bell;
  readonly files: Pick<UnitFiles, 'give'>;
  readonly bootId: string;
  /** Whether the store has named the assignments. */
  readonly isKnown: () => boolean;
}

/** `copy` is what was found on disk, null for nothing. */
export function createColdStart(copy: Copy | null, { clock, log, bell, files, bootId, isKnown }: ColdStartNeeds): ColdStart {
  // In the boot the copy was made in everything that is to run was started already.
  const usable = copy !== null && copy.bootId !== bootId && copy.assignments.size > 0 ? copy : null;
  let isTime = false;
  return {
    assignments: () => (usable !== null && isTime && !isKnown() ? usable.assignments : null),
    async run(signal): Promise<void> {
      if (usable !== null) {
        await clock.sleep(graceMs, signal);
        if (!isKnown()) {
          const fenced = [...usable.assignments.values()].filter(({ fence }) => fence > 0).length;
          log.warning('the store does not answer after a boot: starting what this machine had last, from its own disk', {
            units: usable.assignments.size - fenced, fencedUnitsThatWait: fenced, savedAt: new Date(usable.savedAtMs).toISOString(),
          });
          files.give(usable.texts);
          isTime = true;
          bell.wake();
        }
      }
      await forever(signal);
    },
  };
}

/** What may be done before the store has been heard: bring up, never take down. */
export function isBringingUp({ kind }: Step): boolean {
  return kind === 'load' || kind === 'reload' || kind === 'reset' || kind === 'start';
}

function forever(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
