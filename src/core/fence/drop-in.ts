/**
 * What fleet adds to a fenced unit.
 * Promises: pure; the unit stops with its fence, is never started without it, and is killed when the time the cluster counts on is over.
 */
import type { Assignment } from '../unit.ts';
import { parseUnitFile } from '../unit-file.ts';
import { fenceUnit } from './fence-unit.ts';
import { timeoutStopMs } from './stop-time.ts';

/** Sorts before the drop-ins of others. */
export const fenceDropInName = '10-fleet-fence.conf';

/** The drop-in of a unit by file name; none without a fence. */
export function fenceDropIn({ fence, lostAfterMs }: Assignment, text: string): Readonly<Record<string, string>> {
  if (fence === 0) return {};
  const stands = fenceUnit(lostAfterMs);
  const file = parseUnitFile(text);
  const stopMs = file.ok ? timeoutStopMs(file.value) : Number.NaN;
  // A unit whose file says nothing has the machine's default, which the cluster does not know.
  const times = Number.isNaN(stopMs) ? [] : [`TimeoutStopSec=${String(stopMs)}ms`, `TimeoutAbortSec=${String(stopMs)}ms`];
  const lines = [
    '[Unit]', `BindsTo=${stands}`, `After=${stands}`, '',
    '[Service]', `Environment=FLEET_FENCE=${String(fence)}`, 'TimeoutStopFailureMode=terminate', ...times, '',
  ];
  return { [fenceDropInName]: lines.join('\n') };
}
