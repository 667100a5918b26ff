/**
 * What keeps this machine from taking new units: its manager does not answer, its disk is full or read-only.
 * Promises: each trouble is logged once when it begins and once when it ends, and stands in the machine's record, in /readyz and in list-machines
 * meanwhile; no unit is touched for it.
 */
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { UnitRunner } from '../runner/runner.ts';
import type { AgentReport } from './report.ts';

/** Between two looks at the disk. */
const lookAgainMs = 10_000;

export interface Troubles {
  /** Looks, now and then, whether the runner could take a new unit. Throws RunnerUnavailable. */
  look(signal: AbortSignal): Promise<void>;
  /** Milliseconds until the next look is due. */
  nextMs(): number;
  /** The runner's manager does not answer. */
  noteUnavailable(why: string): void;
}

export interface TroublesNeeds {
  readonly runner: Pick<UnitRunner, 'trouble'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly report: AgentReport;
  /** Called when the trouble of the report has changed. */
  readonly onChange: () => void;
}

export function createTroubles({ runner, clock, log, report, onChange }: TroublesNeeds): Troubles {
  let dueMs = clock.uptimeMs();
  let isUnavailable = false;
  const tell = (trouble: string): void => {
    if (trouble === report.trouble) return;
    if (trouble === '') log.info('this machine can take units again');
    else log.warning(`units go on, but this machine can take no new ones: ${trouble}`);
    report.trouble = trouble;
    onChange();
  };
  return {
    async look(signal): Promise<void> {
      if (clock.uptimeMs() < dueMs && !isUnavailable) return;
      const trouble = await runner.trouble(signal);
      isUnavailable = false;
      dueMs = clock.uptimeMs() + lookAgainMs;
      tell(trouble ?? '');
    },
    nextMs: () => (isUnavailable ? 0 : Math.max(0, dueMs - clock.uptimeMs())),
    noteUnavailable(why): void {
      isUnavailable = true;
      tell(`the manager of its units does not answer: ${why}`);
    },
  };
}
