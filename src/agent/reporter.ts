/**
 * The status reporter: brings what is observed on this machine into the store.
 * Promises: writes only `statuses/<machine>/` and `machine-ports/<machine>`, under the machine's lease and guarded by its record; of each unit only the newest
 * status is kept and only changed ones are written; at most one commit at a time and one burst per tick; a commit that got no
 * answer is fenced off before anything newer is written, so an old status never follows a new one.
 */
import type { MachineId } from '../core/machine.ts';
import type { MachinePorts } from '../core/ports.ts';
import type { UnitStatus } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Clock } from '../lib/clock.ts';
import { withDeadline } from '../lib/deadline.ts';
import { createBell, createGate, createTicks } from '../lib/wakeups.ts';
import { keys, parseKey } from '../store/keys.ts';
import { isStoreTrouble } from '../store/lease-keeper.ts';
import { packChanges } from '../store/packing.ts';
import { encodeRecord } from '../store/records.ts';
import { LeaseExpired } from '../store/store.ts';
import type { Commit, CommitChange, Store } from '../store/store.ts';
import type { Holding, Presence } from './presence.ts';
import type { AgentReport } from './report.ts';

/** Changes that come within this time of a commit are written together; so long a change waits for units that are on their way. */
const tickMs = 50;
/** After a time of quiet a few commits wait less for one another. */
const ticks = { shortMs: 5, longMs: tickMs, burst: 4, refillMs: 125 };
/** How long the store may take for an answer: a third of the machine's lease, as for its renewal, but no less than this. */
const leastAnswerMsMax = 10_000;

export interface ReporterNeeds {
  readonly store: Store;
  readonly clock: Clock;
  readonly presence: Presence;
  readonly machine: MachineId;
  /** How long the machine may be silent before its units move. */
  readonly ttlMs: number;
  readonly report: AgentReport;
}

export interface Reporter {
  /** What is observed now: all units of the machine. */
  update(statuses: ReadonlyMap<UnitName, UnitStatus>, circumstances: StatusCircumstances): void;
  /** What is known of the machine's ports now. */
  updatePorts(ports: MachinePorts): void;
  /** What the store was thought to hold may not be so: reads it again. */
  forget(): void;
  /** Writes until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export interface StatusCircumstances {
  /** Units of which nothing is written yet; what the store has of them stays as it is. */
  readonly early: ReadonlySet<UnitName>;
  /** No unit is on its way to another state: there is nothing to wait for. */
  readonly isStill: boolean;
}

/** What the store is known to hold under a lease: key to text. */
interface Written {
  readonly leaseId: string;
  readonly texts: Map<string, string>;
}

export function createReporter(needs: ReporterNeeds): Reporter {
  const { presence, machine, clock } = needs;
  const bell = createBell();
  /** Closed while units are on their way. */
  const gate = createGate();
  /** null: nothing has been observed yet, so nothing in the store is known to be wrong. */
  let observed: ReadonlyMap<UnitName, UnitStatus> | null = null;
  let early: ReadonlySet<UnitName> = new Set();
  let ports: ReadonlyMap<string, string> = new Map();
  let written: Written | null = null;
  presence.subscribe(() => bell.wake());

  /** The store holds something else than was thought, or it is not known what it holds. */
  const fail = (holding: Holding): void => {
    needs.report.failedStatusCommits += 1;
    written = null;
    presence.doubt(holding.guard);
    bell.wake();
  };
  /** Writes what differs; answers whether the store was asked for anything. */
  const writeOnce = async (signal: AbortSignal): Promise<boolean> => {
    const holding = presence.holding();
    if (holding === null || observed === null) return false;
    try {
      if (written?.leaseId !== holding.leaseId) written = await readWritten(needs, holding, signal);
      const { texts } = written; // It may be forgotten while a commit is on its way.
      const keyed = new Map([...observed].map(([name, status]) => [keys.status(machine, name), encodeRecord(status)]));
      const held = new Set([...early].map((name) => keys.status(machine, name)));
      const commits = commitsOf(differences({ wanted: new Map([...keyed, ...ports]), texts, held }), holding);
      if (!await writeAll(needs, { commits, texts }, signal)) fail(holding);
      return commits.length > 0;
    } catch (error) {
      signal.throwIfAborted();
      if (!isStoreTrouble(error) && !(error instanceof LeaseExpired)) throw error;
      // What the store holds is read again once presence has fenced off the commit; presence logs and retries.
      fail(holding);
      return true;
    }
  };
  return {
    update(statuses, circumstances): void {
      gate.set(circumstances.isStill);
      observed = statuses;
      early = circumstances.early;
      bell.wake();
    },
    updatePorts(record): void {
      const text = encodeRecord(record);
      if (ports.get(keys.machinePorts(machine)) === text) return;
      ports = new Map([[keys.machinePorts(machine), text]]);
      bell.wake();
    },
    forget(): void {
      written = null;
      bell.wake();
    },
    async run(signal: AbortSignal): Promise<void> {
      const nextTickMs = createTicks(clock, ticks);
      for (;;) {
        await bell.wait(signal);
        // What is on its way is told again a moment later: one commit serves for both.
        await gate.pass({ clock, limitMs: tickMs }, signal);
        // Most passes find nothing new; what comes after one need not wait.
        if (await writeOnce(signal)) await clock.sleep(nextTickMs(), signal);
      }
    },
  };
}

/** Commits one after another and notes in `texts` what is written; answers whether the store took them all. */
async function writeAll(
  needs: ReporterNeeds,
  { commits, texts }: { readonly commits: readonly Commit[]; readonly texts: Map<string, string> },
  signal: AbortSignal,
): Promise<boolean> {
  for (const commit of commits) {
    const outcome = await askStore(needs, (late) => needs.store.commit(commit, late), signal);
    if (!outcome.committed) return false;
    needs.report.statusCommits += 1;
    noteWritten(texts, commit.changes);
  }
  return true;
}

/** What an earlier process of this machine has written under the lease; entries of other leases are about to go. */
async function readWritten(
  needs: ReporterNeeds, { leaseId }: Holding, signal: AbortSignal,
): Promise<Written> {
  const { entries } = await askStore(needs, (late) => needs.store.list(keys.statusesOf(needs.machine), late), signal);
  const own = entries.filter((entry) => entry.leaseId === leaseId && parseKey(entry.key)?.kind === 'status');
  return { leaseId, texts: new Map(own.map(({ key, value }) => [key, value])) };
}

/** Asks the store; throws DeadlineExceeded when it takes too long. */
function askStore<T>({ clock, ttlMs }: ReporterNeeds, ask: (late: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  return withDeadline({ clock, limitMs: Math.max(leastAnswerMsMax, ttlMs / 3), signal }, ask);
}

interface Difference {
  readonly wanted: ReadonlyMap<string, string>;
  readonly texts: ReadonlyMap<string, string>;
  /** Keys that are left alone. */
  readonly held: ReadonlySet<string>;
}

function differences({ wanted, texts, held }: Difference): readonly CommitChange[] {
  const puts = [...wanted].filter(([key, value]) => texts.get(key) !== value && !held.has(key))
    .map(([key, value]): CommitChange => ({ kind: 'put', key, value }));
  const deletes = [...texts.keys()].filter((key) => !wanted.has(key)).map((key): CommitChange => ({ kind: 'delete', key }));
  return [...deletes, ...puts];
}

/** Commits of changes that live as long as the lease. */
function commitsOf(changes: readonly CommitChange[], { leaseId, guard }: Holding): readonly Commit[] {
  const leased = changes.map((change) => (change.kind === 'put' ? { ...change, leaseId } : change));
  return packChanges(leased).map((portion) => ({ guards: [guard], changes: portion }));
}

function noteWritten(texts: Map<string, string>, changes: readonly CommitChange[]): void {
  for (const change of changes) {
    if (change.kind === 'put') texts.set(change.key, change.value);
    else texts.delete(change.key);
  }
}
