/** Promises about how much is asked and waited for at once. */
import type { SimProcess } from '../process.ts';
import type { Checker } from '../witness.ts';

/** Sleeps of one machine at once: each loop of a fleetd has one or two, and each call under way another. */
const sleepersPerMachineMax = 150;
/** Calls of one process to store and runner within one minute; a loop that spins makes hundreds of thousands. */
const callsPerMinuteMax = 3_000;
const minuteMs = 60_000;

export const nothingPilesUp: Checker = {
  name: 'nothing-piles-up',
  promise: 'waits and calls are bounded, whatever is away and for how long (promise 9)',
  begin(court) {
    const calls = new Map<SimProcess, { sinceMs: number; count: number }>();
    return {
      call(process): void {
        const nowMs = court.nowMs();
        const counted = calls.get(process);
        if (counted === undefined || nowMs - counted.sinceMs > minuteMs) {
          calls.set(process, { sinceMs: nowMs, count: 1 });
          return;
        }
        counted.count += 1;
        if (counted.count === callsPerMinuteMax)
          court.broken(`${process.name} made ${String(callsPerMinuteMax)} calls within a minute`);
      },
      step(): void {
        const sleepers = court.sleepers();
        if (sleepers > sleepersPerMachineMax * court.machines.length) court.broken(`${String(sleepers)} waits at once`);
      },
    };
  },
};
