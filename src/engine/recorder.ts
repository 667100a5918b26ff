/**
 * The recorder of a leader: writes down what machines report of their units, and what becomes of machines.
 * Promises: writes only `unit-history/` and `machine-history/`, guarded by the leader key and by each history's own revision, so that
 * the passes' entries are never overwritten; what nobody saw while nobody led is made up for once, as far as it can still be seen;
 * trouble with the store delays it and disturbs nothing else.
 */
import type { ClusterSnapshot } from '../core/cluster.ts';
import { emptyUnitHistory } from '../core/history.ts';
import { limits } from '../core/limits.ts';
import type { MachineId } from '../core/machine.ts';
import { noteMachine } from '../core/note-machine.ts';
import { noteStatus } from '../core/note-status.ts';
import { goneUnits } from '../core/schedule/decision-history.ts';
import { hasSucceeded } from '../core/schedule/finished.ts';
import type { SectionReader } from '../core/schedule/sections.ts';
import { createSectionReader } from '../core/schedule/sections.ts';
import type { Placement } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import { createBackoff } from '../lib/backoff.ts';
import { withDeadline } from '../lib/deadline.ts';
import { createBell, waitAtMost } from '../lib/wakeups.ts';
import type { Bell } from '../lib/wakeups.ts';
import { keys, parseKey } from '../store/keys.ts';
import { isStoreTrouble } from '../store/lease-keeper.ts';
import type { FollowBatch } from '../store/mirror.ts';
import { encodeRecord } from '../store/records.ts';
import type { Revision } from '../store/store.ts';
import { packCommits } from './commits.ts';
import type { Part } from './commits.ts';
import { whyUndecided, type EngineNeeds } from './passes.ts';
import { answerMsMax, leaderGuard, mayWrite } from './term.ts';
import type { Term } from './term.ts';

/** Reports that come within this time are written down together. */
const tickMs = 200;
/** How often what was put off and what has become old is looked at. */
const lookAgainMs = 10_000;
const firstRetryMs = 200;
const longestRetryMs = 10_000;
/** How long the history of a unit that is gone is kept. */
const goneHistoryMs = 86_400_000;

/** What may have to be written down. */
interface Pending {
  /** By "machine/unit". */
  readonly units: Map<string, Placement>;
  readonly machines: Set<MachineId>;
}

/** Writes histories until the term is over or the signal is aborted; rings `decide` when a pass has something new to decide on. */
export async function recordUntilOver(
  needs: EngineNeeds, { term, decide }: { readonly term: Term; readonly decide: Bell }, signal: AbortSignal,
): Promise<void> {
  const { mirror, clock, log } = needs;
  const bell = createBell();
  const pending: Pending = { units: new Map(), machines: new Set() };
  const sections = createSectionReader();
  const backoff = createBackoff({ firstMs: firstRetryMs, maxMs: longestRetryMs }, needs.random);
  await mirror.reached(term.revision, signal);
  addEverything(pending, mirror.snapshot());
  const unsubscribe = mirror.subscribe((batch) => {
    if (addChanges(pending, batch)) bell.wake();
  });
  try {
    for (;;) {
      await clock.sleep(tickMs, signal);
      try {
        await recordOnce(needs, { term, decide, pending, sections }, signal);
        backoff.reset();
        await waitAtMost(bell, { clock, limitMs: lookAgainMs }, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!isStoreTrouble(error)) throw error;
        log.debug(`histories cannot be written now, trying again: ${error.message}`);
        addEverything(pending, mirror.snapshot());
        await clock.sleep(backoff.nextMs(), signal);
      }
    }
  } finally {
    unsubscribe();
  }
}

function addEverything({ units, machines }: Pending, snapshot: ClusterSnapshot): void {
  for (const [machine, statuses] of snapshot.statuses) {
    for (const unit of statuses.keys()) units.set(`${machine}/${unit}`, { machine, unit });
  }
  for (const map of [snapshot.machines, snapshot.roster, snapshot.machineHistories]) for (const id of map.keys()) machines.add(id);
}

/** Whether the batch brought anything that may have to be written down. */
function addChanges({ units, machines }: Pending, { changes }: FollowBatch): boolean {
  let isNews = false;
  for (const change of changes) {
    const meaning = parseKey(change.kind === 'put' ? change.entry.key : change.key);
    if (meaning?.kind === 'status' && change.kind === 'put') {
      units.set(`${meaning.machine}/${meaning.name}`, { machine: meaning.machine, unit: meaning.name });
    } else if (meaning?.kind === 'machine' || meaning?.kind === 'machine-override' || meaning?.kind === 'roster-entry') {
      machines.add(meaning.machine);
    } else continue;
    isNews = true;
  }
  return isNews;
}

interface Recording {
  readonly term: Term;
  readonly decide: Bell;
  readonly pending: Pending;
  readonly sections: SectionReader;
}

async function recordOnce(needs: EngineNeeds, { term, decide, pending, sections }: Recording, signal: AbortSignal): Promise<void> {
  const { mirror, clock, store } = needs;
  if (!mirror.freshness().current || !mayWrite(term, clock) || whyUndecided(needs) !== null) return;
  const snapshot = mirror.snapshot();
  const writing: Writing = { snapshot, nowMs: clock.nowMs(), revisionOf: mirror.modRevision };
  const isIdle = pending.units.size === 0 && pending.machines.size === 0;
  const units = unitParts(writing, { sections, decide, pending });
  const parts = [...units.parts, ...machineParts(writing, pending), ...(isIdle ? outdatedParts(writing) : [])];
  let reached: Revision | null = null;
  for (const commit of packCommits(parts, leaderGuard(term))) {
    const outcome = await withDeadline({ clock, limitMs: answerMsMax(needs), signal }, (late) => store.commit(commit, late));
    if (outcome.committed) reached = outcome.revision;
    // The other writer was faster, or this engine no longer leads: look again at what is there then.
    else addEverything(pending, snapshot);
  }
  if (reached === null) return;
  await mirror.reached(reached, signal);
  if (units.hasSuccess) decide.wake();
}

interface Writing {
  readonly snapshot: ClusterSnapshot;
  readonly nowMs: number;
  readonly revisionOf: (key: string) => Revision | 0;
}

/** What units have done; those that are put off stay pending. A unit on several machines has one history. */
function unitParts(
  { snapshot, nowMs, revisionOf }: Writing, { sections, decide, pending: { units } }: Omit<Recording, 'term'>,
): { readonly parts: readonly Part[]; readonly hasSuccess: boolean } {
  const histories = new Map<UnitName, Part>();
  let hasSuccess = false;
  for (const [at, { unit, machine }] of [...units]) {
    if (histories.has(unit)) continue; // With the next look: one change of a key at a time.
    units.delete(at);
    const record = snapshot.units.get(unit);
    const assignment = snapshot.assignments.get(machine)?.get(unit);
    const status = snapshot.statuses.get(machine)?.get(unit);
    if (record === undefined || assignment === undefined || status === undefined) continue;
    const section = sections(snapshot.files, unit, record.hash);
    const isGlobal = section.ok && section.value.global;
    if (isGlobal && !assignment.finished && hasSucceeded(status, assignment)) decide.wake();
    const before = snapshot.unitHistories.get(unit) ?? emptyUnitHistory;
    const { history, againMs } = noteStatus(before, { machine, assignment, status, isGlobal }, nowMs);
    if (againMs > 0) units.set(at, { unit, machine });
    if (history === null) continue;
    hasSuccess ||= history.succeeded !== before.succeeded;
    const key = keys.unitHistory(unit);
    histories.set(unit, { guards: [{ key, modRevision: revisionOf(key) }], changes: [{ kind: 'put', key, value: encodeRecord(history) }] });
  }
  return { parts: [...histories.values()], hasSuccess };
}

function machineParts({ snapshot, nowMs, revisionOf }: Writing, { machines }: Pending): readonly Part[] {
  const parts: Part[] = [];
  for (const id of machines) {
    const machine = snapshot.machines.get(id);
    const entry = snapshot.roster.get(id);
    const before = snapshot.machineHistories.get(id);
    const key = keys.machineHistory(id);
    const guards = [{ key, modRevision: revisionOf(key) }];
    // The roster forgets a machine when a person does; a store that never had one forgets nothing.
    if (machine === undefined && entry === undefined && snapshot.roster.size > 0) {
      if (before !== undefined) parts.push({ guards, changes: [{ kind: 'delete', key }] });
      continue;
    }
    const seen = { machine, entry, cordon: machine?.cordon ?? null, drain: machine?.drain ?? null };
    const history = noteMachine(before, seen, nowMs);
    if (history !== null) parts.push({ guards, changes: [{ kind: 'put', key, value: encodeRecord(history) }] });
  }
  machines.clear();
  return parts;
}

/** Forgets units that are gone for long, and the oldest of too many. */
function outdatedParts({ snapshot, nowMs, revisionOf }: Writing): readonly Part[] {
  const gone = goneUnits(snapshot).map((name) => ({ name, atMs: snapshot.unitHistories.get(name)?.events.at(-1)?.atMs ?? 0 }))
    .sort((left, right) => right.atMs - left.atMs);
  return gone.filter(({ atMs }, index) => index >= limits.goneHistoriesMax || nowMs - atMs > goneHistoryMs).map(({ name }) => {
    const key = keys.unitHistory(name);
    return { guards: [{ key, modRevision: revisionOf(key) }], changes: [{ kind: 'delete', key }] };
  });
}
