/**
 * How releases are printed: all of them, one with its units, the generations of one.
 * Promises: functions from views to text; times are UTC, to the second.
 */
import type { GenerationView, ReleaseDetails, ReleaseUnitView, ReleaseView } from '../protocol/releases.ts';
import { machineLabel } from './columns.ts';
import { formatTable } from './table.ts';

/** One line for each release. */
export function releasesTable(releases: readonly ReleaseView[]): string {
  const rows = releases.map((release) => [
    release.name,
    stateWord(release),
    String(release.goal),
    `${release.changed}/${release.total}`,
    when(release.changedAtMs),
    orDash(release.by),
    orDash(release.why),
  ]);
  return formatTable([['RELEASE', 'STATE', 'GENERATION', 'CHANGED', 'SINCE', 'BY', 'WHY'], ...rows]);
}

/** A release and its units. */
export function releaseText(release: ReleaseDetails): string {
  const { name, goal, origin, changed, total, strategy, why, inPlaceWhy, failures } = release;
  const rollback = strategy.rollback ? `goes back to generation ${origin} when it fails` : 'is held when it fails';
  const pace = `${strategy.way}, ${strategy.batch} at a time, healthy for ${seconds(strategy.minActiveMs)} within ${seconds(strategy.healthTimeoutMs)}`;
  const lines = [
    `${name}: ${stateWord(release)}, generation ${goal}, ${changed} of ${total} changed`,
    `  ${pace}, ${rollback}`,
    ...(why === '' ? [] : [`  ${why}`]),
    ...(inPlaceWhy === '' ? [] : [`  in place: ${inPlaceWhy}`]),
    ...failures.map((failure) => `  failed: ${failure.why}`),
  ];
  const rows = release.units.map(unitRow);
  const table = formatTable([['UNIT', 'MACHINE', 'GENERATION', 'ACTIVE', 'HEALTH', 'PORTS'], ...rows]);
  return `${lines.join('\n')}\n\n${table}`;
}

/** The kept generations, newest first; the present one is marked. */
export function historyTable({ generations, goal }: ReleaseView): string {
  const rows = generations.toReversed().map((generation) => [
    `${generation.number}${generation.number === goal ? '*' : ''}`,
    when(generation.atMs),
    orDash(generation.by),
    generation.hash.slice(0, 7),
    outcomeWord(generation),
    orDash(generation.why),
  ]);
  return formatTable([['GENERATION', 'SINCE', 'BY', 'FILE', 'OUTCOME', 'WHY'], ...rows]);
}

function unitRow({ name, machine, address, generation, active, health, ports }: ReleaseUnitView): readonly string[] {
  const where = machine === '' ? '-' : machineLabel({ id: machine, address });
  const given = Object.entries(ports).map(([port, number]) => `${port}:${number}`);
  return [name, where, String(generation), active, health === 'none' ? '-' : health, orDash(given.join(','))];
}

function stateWord({ state, paused }: ReleaseView): string {
  return paused ? `${state}, paused` : state;
}

function outcomeWord({ outcome, undoOf }: GenerationView): string {
  return undoOf === null ? outcome : `${outcome} (undo to ${undoOf})`;
}

function when(atMs: number): string {
  return atMs === 0 ? '-' : `${new Date(atMs).toISOString().slice(0, 19)}Z`;
}

function seconds(spanMs: number): string {
  return `${spanMs / 1_000}s`;
}

function orDash(text: string): string {
  return text === '' ? '-' : text;
}
