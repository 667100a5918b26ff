/**
 * The engine: of all engines of the cluster one leads and decides where units run.
 * Promises: writes only `assignments/`, histories, the roster, the hold, the cluster's name and, for releases, `releases/` and `units/`;
 * deletes only unused `unit-files/` and what people changed about forgotten machines; all of it only while it holds the leader key;
 * at most one pass at a time; a pass sees all that the passes before it wrote. Trouble with the store delays decisions and makes none.
 */
import { createBackoff } from '../lib/backoff.ts';
import { untilFirstEnds } from '../lib/tasks.ts';
import { createBell, waitAtMost } from '../lib/wakeups.ts';
import type { Bell } from '../lib/wakeups.ts';
import { keys } from '../store/keys.ts';
import { isStoreTrouble, keepLease } from '../store/lease-keeper.ts';
import { LeaseExpired } from '../store/store.ts';
import type { Revision } from '../store/store.ts';
import { createAbsences } from './absences.ts';
import type { Absences } from './absences.ts';
import { createMassLoss } from './mass-loss.ts';
import type { MassLoss } from './mass-loss.ts';
import { decideUntilOver, untilStuck, whyUndecided } from './passes.ts';
import type { EngineNeeds } from './passes.ts';
import { recordUntilOver } from './recorder.ts';
import { createReleaseEar } from './releases.ts';
import { resign, winTerm } from './term.ts';
import type { Term } from './term.ts';
import { createDecisionEar, tellsOfMachines } from './wakes.ts';

const firstRetryMs = 100;
const longestRetryMs = 5_000;
/** How often an engine that waits for the mirror to be current looks again: its becoming so rings no bell. */
const lookAgainMs = 500;
/** How long to wait for vanished machines by default: longer than a store or a switch takes to be restarted. */
const massLossHoldMs = 120_000;

export type { EngineNeeds } from './passes.ts';

/** Takes part in the election and decides while it leads. Resolves, having resigned, once aborted; rejects on a bug. */
export async function runEngine(needs: EngineNeeds, signal: AbortSignal): Promise<void> {
  const bell = createBell();
  const massLoss = createMassLoss({ windowMs: needs.ttlMs, holdMs: needs.massLossHoldMs ?? massLossHoldMs });
  const absences = createAbsences();
  const isAwaited = createReleaseEar(needs.mirror.snapshot);
  const matters = createDecisionEar(needs.mirror.snapshot);
  const unsubscribe = needs.mirror.subscribe((batch) => {
    // Also while another engine leads: whoever leads after trouble of the store has to know who was there before.
    const { mirror, clock } = needs;
    if (batch.changes.some(tellsOfMachines)) {
      massLoss.look(mirror.snapshot(), { uptimeMs: clock.uptimeMs(), nowMs: clock.nowMs() });
      absences.look(mirror.snapshot(), clock.uptimeMs());
    }
    const isReleaseNews = isAwaited(batch);
    if (matters(batch) || isReleaseNews) bell.wake();
  });
  try {
    await takeTurns(needs, { bell, massLoss, absences }, signal);
  } finally {
    unsubscribe();
  }
}

/** What an engine keeps over its terms. */
interface Senses {
  readonly bell: Bell;
  readonly massLoss: MassLoss;
  readonly absences: Absences;
}

/** Campaigns and leads, again and again. */
async function takeTurns(needs: EngineNeeds, { bell, massLoss, absences }: Senses, signal: AbortSignal): Promise<void> {
  const backoff = createBackoff({ firstMs: firstRetryMs, maxMs: longestRetryMs }, needs.random);
  // A leader key of this machine that was there before this engine began is left over from before a restart.
  let mayInherit = true;
  while (!signal.aborted) {
    try {
      const seen = await vacancy(needs, { bell, mayInherit }, signal);
      mayInherit = false;
      const term = await winTerm(needs, seen, signal);
      if (term === null) {
        await waitAtMost(bell, { clock: needs.clock, limitMs: lookAgainMs }, signal);
        continue;
      }
      backoff.reset();
      await lead(needs, { term, bell, massLoss, absences }, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!isStoreTrouble(error) && !(error instanceof LeaseExpired)) throw error;
      const delayMs = backoff.nextMs();
      needs.log.warning(`cannot take part in the election, trying again: ${error.message}`, { inMs: Math.round(delayMs) });
      await needs.clock.sleep(delayMs, signal).catch(() => undefined); // Aborted: the loop ends.
    }
  }
}

interface Waiting {
  readonly bell: Bell;
  readonly mayInherit: boolean;
}

/** Waits until nobody leads, as far as the mirror knows; answers with the leader key's revision to take over from. */
async function vacancy(needs: EngineNeeds, { bell, mayInherit }: Waiting, signal: AbortSignal): Promise<Revision | 0> {
  const { mirror, machine, clock, log } = needs;
  let isTold = false;
  for (;;) {
    const isCurrent = mirror.freshness().current;
    if (isCurrent) {
      const seen = mirror.modRevision(keys.leader);
      const why = whyUndecided(needs);
      if (why !== null) {
        if (!isTold) log.warning(`nobody leads and nothing is decided: ${why}`);
        isTold = true;
        await bell.wait(signal);
        continue;
      }
      if (seen === 0 || (mayInherit && mirror.snapshot().leader?.machine === machine)) return seen;
      mayInherit = false;
      await bell.wait(signal);
    } else {
      await waitAtMost(bell, { clock, limitMs: lookAgainMs }, signal);
    }
  }
}

/** Leads until the lease expires, another engine has the leader key, nothing gets done, or the signal is aborted. */
async function lead(needs: EngineNeeds, { term, ...senses }: Senses & { term: Term }, signal: AbortSignal): Promise<void> {
  const { report, log, clock } = needs;
  Object.assign(report, { role: 'leading', roleSinceMs: clock.uptimeMs(), terms: report.terms + 1 });
  log.info('leading: this engine decides where units run', { revision: term.revision });
  try {
    await untilFirstEnds([
      (over) => keepLease(needs, term.held, over),
      (over) => decideUntilOver(needs, { term, ...senses }, over),
      (over) => recordUntilOver(needs, { term, decide: senses.bell }, over),
      (over) => untilStuck(needs, term, over),
    ], signal);
  } finally {
    Object.assign(report, { role: 'following', roleSinceMs: clock.uptimeMs() });
    await resign(needs, term);
  }
  log.info(signal.aborted ? 'gave up the leadership' : 'lost the leadership; waiting for the next election');
}
