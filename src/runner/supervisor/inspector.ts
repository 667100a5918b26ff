/**
 * What people get to read about a supervised unit: `status` and `journal`.
 * Promises: both answer also while the unit's keeper is gone; what is read is bounded.
 */
import { readdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { assert } from '../../core/failure.ts';
import { limits } from '../../core/limits.ts';
import type { UnitName } from '../../core/unit-name.ts';
import type { Clock } from '../../lib/clock.ts';
import type { JournalQuery, UnitInspector } from '../runner.ts';
import { followLines, formatEntry, journalOutputs, parseJournalLine, readLastLines } from './journal.ts';
import type { Seen } from './keeper-state.ts';
import { observationOf } from './observe.ts';
import { statusText } from './status-text.ts';
import type { ShownProcess } from './status-text.ts';
import { unitDirectory } from './unit-records.ts';
import type { SupervisorDirectories, UnitRecords } from './unit-records.ts';

/** Journal lines at the end of a status, as systemctl shows. */
const STATUS_JOURNAL_LINES = 10;
/** Processes a status lists. */
const PROCESSES_MAX = 100;
/** Characters of a command line a status shows. */
const COMMAND_CHARACTERS_MAX = 200;

export interface InspectorNeeds {
  readonly directories: SupervisorDirectories;
  readonly records: UnitRecords;
  readonly look: (name: UnitName) => Promise<Seen>;
  readonly clock: Clock;
}

export function createInspector({ directories, records, look, clock }: InspectorNeeds): UnitInspector {
  return {
    async status(name, signal) {
      signal.throwIfAborted();
      const record = records.get(name);
      if (record === undefined) return { text: `Unit ${name} could not be found.\n`, exitStatus: 4 };
      const seen = await look(name);
      const observation = observationOf(name, record, seen);
      const state = seen.kind === 'never-started' || seen.kind === 'other-boot' ? null : seen.state;
      const processes = seen.kind === 'kept' ? await processesBelow(seen.state.keeperPid) : [];
      const { lines } = await readLastLines(unitDirectory(directories, name), STATUS_JOURNAL_LINES);
      signal.throwIfAborted();
      const text = statusText({
        name, description: record.description, path: join(directories.units, name), notHonoured: record.notHonoured, observation,
        state, processes, journal: formatLines(lines, 'short', name), nowMs: clock.nowMs(),
      });
      const isUp = observation.active === 'active' || observation.active === 'reloading';
      return { text, exitStatus: isUp ? 0 : 3 };
    },
    journal: (query, signal) => readJournal({ directories, records }, query, signal),
  };
}

async function* readJournal(
  { directories, records }: Pick<InspectorNeeds, 'directories' | 'records'>, query: JournalQuery, signal: AbortSignal,
): AsyncGenerator<string> {
  const { name, lines: count, follow, output } = query;
  assert(Number.isInteger(count) && count >= 0 && count <= limits.journalLinesMax, 'the caller bounds the lines');
  signal.throwIfAborted();
  if (records.get(name) === undefined) return;
  if (!journalOutputs.includes(output)) {
    yield `-- without systemd there is no output "${output}" (there are ${journalOutputs.join(', ')}); this is short --\n`;
  }
  const directory = unitDirectory(directories, name);
  const { lines, end } = await readLastLines(directory, count);
  if (lines.length > 0) yield formatLines(lines, output, name);
  if (!follow) return;
  for await (const more of followLines(directory, end, signal)) yield formatLines(more, output, name);
}

function formatLines(lines: readonly string[], output: string, unit: string): string {
  const names = { hostname: hostname(), unit };
  return lines.map((line) => {
    const entry = parseJournalLine(line);
    return entry === null ? `${line}\n` : formatEntry(entry, output, names);
  }).join('');
}

/** The processes below `root`, each after its parent. What ends meanwhile is left out. */
async function processesBelow(root: number, depth = 0, found: ShownProcess[] = []): Promise<readonly ShownProcess[]> {
  for (const pid of await childrenOf(root)) {
    if (found.length >= PROCESSES_MAX) return found;
    const words = (await readFile(`/proc/${String(pid)}/cmdline`, 'utf8').catch(() => '')).split('\0').filter((word) => word !== '');
    if (words.length > 0) found.push({ pid, depth, command: words.join(' ').slice(0, COMMAND_CHARACTERS_MAX) });
    await processesBelow(pid, depth + 1, found);
  }
  return found;
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const threads = await readdir(`/proc/${String(pid)}/task`).catch(() => []);
  const lists = await Promise.all(threads.map((thread) =>
    readFile(`/proc/${String(pid)}/task/${thread}/children`, 'utf8').catch(() => '')));
  return lists.flatMap((list) => list.split(' ').filter((word) => word !== '').map(Number));
}
