/**
 * The metrics of fleet 1.0 beside our own, so that its dashboards and alerts go on: names and labels are its, what
 * they count is the nearest thing there is here.
 * Promises: reads what the engine reports of itself; a report of another shape counts as zero.
 */
import type { ApiNeeds } from './needs.ts';
import { counter, gauge } from './metric.ts';
import type { Metric } from './metric.ts';

/** What of the engine's report is counted. */
interface EngineCounts {
  readonly passes: number;
  readonly refusedCommits: number;
  readonly unansweredCommits: number;
  readonly assign: number;
  readonly move: number;
  readonly unassign: number;
}

export function originalMetrics({ mirror, machineId, reports }: ApiNeeds): readonly Metric[] {
  const { leader } = mirror.snapshot();
  const counts = readCounts(reports.get('engine')?.());
  // fleet 1.0 counts a move as what it is made of: a unit leaves one machine and is scheduled to another.
  const tasks = [
    { labels: { type: 'attemptscheduleunit' }, value: counts.assign + counts.move },
    { labels: { type: 'unscheduleunit' }, value: counts.unassign + counts.move },
  ];
  const failed = counts.refusedCommits + counts.unansweredCommits;
  const leadsSince = leader?.machine === machineId ? leader.sinceMs / 1_000 : 0;
  const failures = [{ labels: { type: 'schedule' }, value: counts.unansweredCommits }];
  return [
    gauge('fleet_engine_leader_start_time', 'When this engine became the leader, in Unix time.', leadsSince),
    counter('fleet_engine_task_count_total', 'Decisions of the engine, in the words of fleet 1.0.', tasks),
    counter('fleet_engine_task_failure_count_total', 'Commits of decisions that had to be decided again.', [
      { labels: { type: 'attemptscheduleunit' }, value: failed },
    ]),
    counter('fleet_engine_reconcile_count_total', 'Passes of the engine.', counts.passes),
    counter('fleet_engine_reconcile_failure_count_total', 'Passes that the store did not answer.', failures),
  ];
}

function readCounts(report: unknown): EngineCounts {
  const number = (of: unknown, name: string): number => {
    const fields = typeof of === 'object' && of !== null ? (of as Readonly<Record<string, unknown>>) : {};
    const value = fields[name];
    return typeof value === 'number' ? value : 0;
  };
  const decisions: unknown =
    typeof report === 'object' && report !== null && 'decisions' in report ? report.decisions : null;
  return {
    passes: number(report, 'passes'),
    refusedCommits: number(report, 'refusedCommits'),
    unansweredCommits: number(report, 'unansweredCommits'),
    assign: number(decisions, 'assign'),
    move: number(decisions, 'move'),
    unassign: number(decisions, 'unassign'),
  };
}
