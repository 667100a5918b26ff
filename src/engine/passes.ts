/**
 * The passes of a leader: look at everything, decide, commit, wait until the mirror has seen it, and so on.
 * Promises: one pass at a time; nothing is decided on a snapshot that lacks what this term has committed; a commit that got no
 * answer is fenced off before the next pass, so it cannot take effect after something newer.
 */
import type { ClusterSnapshot } from '../core/cluster.ts';
import { whyDoubted } from '../core/doubt.ts';
import { holdFenced } from '../core/fence/hold-fenced.ts';
import type { ReleaseBasis } from '../core/release/plan.ts';
import { historiesAfter } from '../core/schedule/decision-history.ts';
import { createScheduler } from '../core/schedule/scheduler.ts';
import { createRosterWatch, type RosterWatch } from '../core/roster.ts';
import type { Scheduler } from '../core/schedule/scheduler.ts';
import { createSectionReader } from '../core/schedule/sections.ts';
import type { SectionReader } from '../core/schedule/sections.ts';
import { createBackoff } from '../lib/backoff.ts';
import { withDeadline } from '../lib/deadline.ts';
import { randomName } from '../lib/random.ts';
import { waitAtMost } from '../lib/wakeups.ts';
import type { Bell } from '../lib/wakeups.ts';
import { keys } from '../store/keys.ts';
import { isStoreTrouble } from '../store/lease-keeper.ts';
import type { Mirror } from '../store/mirror.ts';
import type { Commit, Revision } from '../store/store.ts';
import type { Absences } from './absences.ts';
import { takesAway, watchBasis } from './basis.ts';
import type { Basis } from './basis.ts';
import { commitsOf, packCommits } from './commits.ts';
import { askRenewals, type RenewalNeeds } from './renewals.ts';
import { awaitedNow, keepHouse } from './housekeeping.ts';
import type { MassLoss, Now } from './mass-loss.ts';
import { forgetFormerPorts } from './port-changes.ts';
import type { EngineReport } from './report.ts';
import { rebalanceStep } from '../core/schedule/rebalance.ts';
import { createReleases, partOfStep } from './releases.ts';
import { inSlices } from './slices.ts';
import type { Releases } from './releases.ts';
import { answerMsMax, leaderGuard, mayWrite, renewGuard } from './term.ts';
import type { Term, TermNeeds } from './term.ts';
import { createUnusedFiles } from './unused-files.ts';
import type { UnusedFiles } from './unused-files.ts';

const firstRetryMs = 50;
const longestRetryMs = 2_000;
/** How often a leader whose mirror is not current looks again: its becoming so rings no bell. */
const lookAgainMs = 500;
/** How many decisions are made commits of at a time. */
const portionSize = 1_000;
/** The longest a leader sleeps without a pass; costs no request. */
const idleMs = 60_000;
/** How often the leader looks at once whether what it keeps is still as it should be: machines may come and go all the time. */
const keepRoundsMax = 5;

export interface EngineNeeds extends RenewalNeeds {
  readonly report: EngineReport;
  /** How long units wait for their machines when most vanish at once; 120 s when left out, 0: not at all, Infinity: for ever. */
  readonly massLossHoldMs?: number;
  /** Whether this machine doubts that the store is its cluster's: then it does not lead. */
  readonly doubtsStore?: () => boolean;
}

/** Why nothing may be decided on what the store says; null when it may. */
export function whyUndecided({ mirror, doubtsStore }: Pick<EngineNeeds, 'mirror' | 'doubtsStore'>): string | null {
  const snapshot = mirror.snapshot();
  if (snapshot.restore !== null) return 'a backup is being restored';
  if (doubtsStore?.() === true) return 'this machine doubts the store';
  const doubt = whyDoubted(snapshot);
  return doubt === null ? null : `a machine doubts the store: ${doubt}`;
}

/**
 * Ends when the leader has got nothing done for long, though its lease lives: cut off from watching, say. Another engine may
 * be better off.
 */
export async function untilStuck({ clock, ttlMs, log }: TermNeeds, term: Term, signal: AbortSignal): Promise<void> {
  const stuckMs = 2 * idleMs + ttlMs;
  while (clock.uptimeMs() - term.doneAtMs < stuckMs) await clock.sleep(ttlMs, signal);
  log.warning('this leader cannot get anything done, giving up the leadership', { sinceMs: clock.uptimeMs() - term.doneAtMs });
}

interface Leading {
  readonly term: Term;
  readonly bell: Bell;
  readonly massLoss: MassLoss;
  readonly absences: Absences;
}

/**
 * How a pass ended. `done`: all is as decided. `again`: guards refused something, or too little is certain to decide anything.
 * `over`: this engine no longer leads.
 */
type PassEnd = 'done' | 'again' | 'over';

/** Decides until the term is over or the signal is aborted. */
export async function decideUntilOver(needs: EngineNeeds, leading: Leading, signal: AbortSignal): Promise<void> {
  const { mirror, clock, random } = needs;
  const { term, bell, massLoss, absences } = leading;
  const backoff = createBackoff({ firstMs: firstRetryMs, maxMs: longestRetryMs }, random);
  const sections = createSectionReader();
  const unused = createUnusedFiles();
  const releases = createReleases();
  const remembered: Remembered = {
    term, scheduler: createScheduler(), sections, unused, releases, massLoss, roster: createRosterWatch(), absences, fencedUntilMs: null,
  };
  await mirror.reached(term.revision, signal);
  massLoss.takeOver(mirror.snapshot(), nowOf(needs));
  for (;;) {
    // What is still to wait for is counted from before the pass: what ends while it runs has had no effect on it.
    const lookedMs = clock.uptimeMs();
    // What is half restored or doubted is nothing to decide on; whoever leads afterwards begins with what is there then.
    if (whyUndecided(needs) !== null) return;
    const isDoubtful = term.inDoubt || mirror.modRevision(keys.leader) !== term.revision;
    const end = isDoubtful ? await fenceOff(needs, term, signal) : await onePass(needs, remembered, signal);
    if (end === 'over') return;
    if (end === 'again') {
      await clock.sleep(backoff.nextMs(), signal);
      continue;
    }
    backoff.reset();
    term.doneAtMs = clock.uptimeMs();
    const fencedMs = remembered.fencedUntilMs === null ? null : remembered.fencedUntilMs - lookedMs;
    const dues = [...[massLoss, unused, releases].map((waiting) => waiting.nextMs(lookedMs)), fencedMs].map((due) => due ?? idleMs);
    const dueMs = Math.min(...dues, holdsEndMs(needs));
    await waitAtMost(bell, { clock, limitMs: Math.min(idleMs, Math.max(dueMs, lookAgainMs)) }, signal);
  }
}

/** Milliseconds until a unit that waits may be placed anew. */
function holdsEndMs({ report, clock }: EngineNeeds): number {
  const againAtMs = report.lastPlan?.againAtMs ?? null;
  return againAtMs === null ? idleMs : Math.max(0, againAtMs - clock.nowMs());
}

const nowOf = ({ clock }: TermNeeds): Now => ({ uptimeMs: clock.uptimeMs(), nowMs: clock.nowMs() });

interface Remembered {
  readonly term: Term;
  readonly scheduler: Scheduler;
  readonly sections: SectionReader;
  readonly unused: UnusedFiles;
  readonly releases: Releases;
  readonly massLoss: MassLoss;
  readonly roster: RosterWatch;
  readonly absences: Absences;
  /** Clock.uptimeMs() when a fenced unit of a machine that is gone may be moved; null when none waits. */
  fencedUntilMs: number | null;
}

async function onePass(needs: EngineNeeds, remembered: Remembered, signal: AbortSignal): Promise<PassEnd> {
  const { mirror, clock, report } = needs;
  const { term, unused, massLoss, roster } = remembered;
  // Whether the lease has expired is for the store to say; until it answers, nothing is written.
  if (!mirror.freshness().current || !mayWrite(term, clock)) return 'again';
  await askRenewals(needs, { massLoss, term }, signal);
  const snapshot = await keepOrder(needs, { term, massLoss, roster }, signal);
  if (snapshot === null) return 'again';
  const basis = watchBasis(mirror);
  const decided = await decideOn(needs, { remembered, snapshot, basis }, signal).finally(() => basis.end());
  if (decided !== 'done') return decided;
  const leader = leaderGuard(term);
  const stepped = await stepReleases(needs, { ...remembered, unplaced: report.lastPlan?.unplaced ?? new Map() }, signal);
  if (stepped !== 'done') return stepped;
  const moved = await stepRebalance(needs, remembered, signal);
  if (moved !== 'done') return moved;
  unused.look(mirror.snapshot(), clock.uptimeMs());
  const deletes = unused.due(mirror.modRevision, clock.uptimeMs());
  report.filesDeleted += deletes.length;
  const forgotten = forgetFormerPorts(mirror.snapshot());
  return commitAll(needs, { term, commits: packCommits([...deletes, ...forgotten], leader) }, signal);
}

interface Deciding {
  readonly remembered: Remembered;
  /** The mirror's newest as the pass begins. */
  readonly snapshot: ClusterSnapshot;
  /** Watches what has changed since then. */
  readonly basis: Basis;
}

/** Decides, and carries the decisions out, a portion after the other. */
async function decideOn(needs: EngineNeeds, { remembered, snapshot, basis }: Deciding, signal: AbortSignal): Promise<PassEnd> {
  const { mirror, clock, report } = needs;
  const { term, scheduler, sections, massLoss, absences } = remembered;
  const startedMs = clock.uptimeMs();
  absences.look(snapshot, startedMs);
  const nowMs = clock.nowMs();
  const awaited = awaitedNow(snapshot, massLoss, nowOf(needs));
  const plan = await inSlices(scheduler.plan(snapshot, { sections, nowMs, awaited }), clock, signal);
  report.passes += 1;
  report.lastPassMs = clock.uptimeMs() - startedMs;
  report.lastPlan = plan;
  const view = { absences: absences.known(), currentSinceMs: mirror.freshness().sinceMs, nowMs: startedMs };
  remembered.fencedUntilMs = null;
  let end: PassEnd = 'done';
  for (let from = 0; from < plan.decisions.length; from += portionSize) {
    const { decisions, againInMs } = holdFenced(plan.decisions.slice(from, from + portionSize), snapshot, view);
    if (againInMs !== null) remembered.fencedUntilMs = Math.min(remembered.fencedUntilMs ?? Infinity, startedMs + againInMs);
    const standing = decisions.filter((decision) => basis.holds(decision));
    const histories = historiesAfter(snapshot, standing, nowMs);
    const commits = commitsOf(standing, { leader: leaderGuard(term), revisionOf: mirror.modRevision, nowMs, histories });
    const committed = await commitAll(needs, { term, commits }, signal);
    if (committed !== 'done') return committed;
    for (const { kind } of standing) report.decisions[kind] += 1;
    if (standing.length === decisions.length) continue;
    // Whoever comes because another one goes does not come before that.
    if (decisions.some((decision) => takesAway(decision) && !standing.includes(decision))) return 'again';
    end = 'again';
  }
  return end;
}

/** Takes the next step of every release. What it changes rings the bell, so that the next pass follows at once. */
async function stepReleases(
  needs: EngineNeeds, { term, sections, releases, unplaced }: Remembered & Pick<ReleaseBasis, 'unplaced'>, signal: AbortSignal,
): Promise<PassEnd> {
  const { mirror, clock, report, log } = needs;
  const steps = releases.plan({ snapshot: mirror.snapshot(), unplaced, sections, nowMs: clock.nowMs() }, clock.uptimeMs());
  const parts = steps.map((step) => partOfStep(step, mirror.modRevision));
  const end = await commitAll(needs, { term, commits: packCommits(parts, leaderGuard(term)) }, signal);
  if (end !== 'done') return end;
  report.releaseSteps += steps.length;
  for (const { name, why } of steps) log.info(`release of ${name}: ${why}`);
  return 'done';
}

/** Moves a few units when a person wants the cluster rebalanced; nothing else is decided by that, and its end is written down. */
async function stepRebalance(
  needs: EngineNeeds, { term, sections, massLoss, absences }: Remembered, signal: AbortSignal,
): Promise<PassEnd> {
  const { mirror, clock, report, log } = needs;
  const snapshot = mirror.snapshot();
  if (snapshot.rebalance === null) return 'done';
  const nowMs = clock.nowMs();
  const step = rebalanceStep(snapshot, { sections, nowMs, awaited: awaitedNow(snapshot, massLoss, nowOf(needs)) });
  const view = { absences: absences.known(), currentSinceMs: mirror.freshness().sinceMs, nowMs: clock.uptimeMs() };
  const { decisions } = holdFenced(step.decisions, snapshot, view);
  const leader = leaderGuard(term);
  const histories = historiesAfter(snapshot, decisions, nowMs);
  // Once it was stopped nothing moves any more.
  const guard = { key: keys.rebalance, modRevision: mirror.modRevision(keys.rebalance) };
  const commits = commitsOf(decisions, { leader, revisionOf: mirror.modRevision, nowMs, histories })
    .map((commit) => ({ ...commit, guards: [...commit.guards, guard] }));
  if (!step.isOver) {
    for (const { kind } of decisions) report.decisions[kind] += 1;
    return commitAll(needs, { term, commits }, signal);
  }
  const end = { guards: [guard], changes: [{ kind: 'delete', key: keys.rebalance }] } as const;
  log.info('the cluster is balanced as far as it can be', { sinceMs: nowMs - snapshot.rebalance.sinceMs });
  return commitAll(needs, { term, commits: packCommits([end], leader) }, signal);
}

/**
 * Writes what a leader keeps beside assignments, before anything is decided: a hold is in the store before it has an effect. Answers with the
 * snapshot that lacks nothing of it, which is the one to decide on: a machine that vanishes while this is written may make a hold of it.
 * null when that was not brought about.
 */
async function keepOrder(
  needs: EngineNeeds, { term, massLoss, roster }: Pick<Remembered, 'term' | 'massLoss' | 'roster'>, signal: AbortSignal,
): Promise<ClusterSnapshot | null> {
  const { mirror, random, log } = needs;
  for (let round = 0; round < keepRoundsMax; round += 1) {
    const snapshot = mirror.snapshot();
    const { parts, say } = keepHouse({
      snapshot, revisionOf: mirror.modRevision, massLoss, roster, now: nowOf(needs), newName: () => randomName(random),
    });
    if (parts.length === 0) return snapshot;
    if (await commitAll(needs, { term, commits: packCommits(parts, leaderGuard(term)) }, signal) !== 'done') return null;
    say(log);
  }
  return null;
}

/** Commits one after the other, and waits until the mirror knows them all. */
async function commitAll(
  needs: EngineNeeds, { term, commits }: { readonly term: Term; readonly commits: readonly Commit[] }, signal: AbortSignal,
): Promise<PassEnd> {
  const { store, mirror, clock, log, report } = needs;
  let reached: Revision | null = null;
  let end: PassEnd = 'done';
  for (const commit of commits) {
    if (!mayWrite(term, clock)) end = 'again';
    if (end !== 'done') break;
    try {
      const outcome = await withDeadline({ clock, limitMs: answerMsMax(needs), signal }, (late) => store.commit(commit, late));
      if (!outcome.committed) {
        report.refusedCommits += 1;
        end = 'again';
        continue;
      }
      report.commits += 1;
      reached = outcome.revision;
    } catch (error) {
      signal.throwIfAborted();
      if (!isStoreTrouble(error)) throw error;
      report.unansweredCommits += 1;
      log.warning(`a commit of decisions got no answer, looking what became of it: ${error.message}`);
      term.inDoubt = true;
      return 'again';
    }
  }
  if (reached !== null) await mirror.reached(reached, signal);
  return end;
}

/** Makes sure that no commit without an answer takes effect from now on, and that this engine still leads. */
async function fenceOff(needs: EngineNeeds, term: Term, signal: AbortSignal): Promise<PassEnd> {
  try {
    if (!await renewGuard(needs, term, signal)) return 'over';
    await needs.mirror.reached(term.revision, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!isStoreTrouble(error)) throw error;
    // The term stays in doubt, so the next turn of the loop tries again.
  }
  return 'again';
}
