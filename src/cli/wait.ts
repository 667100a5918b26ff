/**
 * Waits on the event stream until units are where a command wants them.
 * Promises: never polls; every unit ends with exactly one outcome; a unit that fits on no machine is given up after a
 * grace with the reason per machine; as long as it waits it says now and then what for. That a unit which ends at once is not
 * taken for started is its machine's to see to: it does not say that a unit runs before it has settled (agent/settling.ts).
 */
import type { FleetClient } from '../client/client.ts';
import { ApiError, Unreachable } from '../client/errors.ts';
import type { Clock } from '../lib/clock.ts';
import { createBell, waitAtMost } from '../lib/wakeups.ts';
import type { Explanation } from '../protocol/v2.ts';
import { createClusterView } from './cluster-view.ts';
import type { ClusterView } from './cluster-view.ts';
import { judge } from './goal.ts';
import type { Goal, Place, Standing } from './goal.ts';

/** How long a unit may be on no machine, while no other unit gets one, before its reasons are asked for. */
const graceMs = 3_000;
/** How often to say what is waited for. */
const noteMs = 10_000;
/** Units whose reasons are asked for at once; with more, the others are taken to be like them. */
const explainedMax = 20;

/** How the wait for one unit ended. */
export type Outcome =
  | { readonly kind: 'reached'; readonly goal: Goal; readonly places: readonly Place[]; readonly atOnce: boolean }
  | { readonly kind: 'failed'; readonly goal: Goal; readonly places: readonly Place[]; readonly why: string }
  | { readonly kind: 'unplaced'; readonly goal: Goal; readonly explanation: Explanation | null }
  | { readonly kind: 'superseded' | 'late'; readonly goal: Goal; readonly why: string };

export interface WaitNeeds {
  readonly client: FleetClient;
  readonly clock: Clock;
  /** The revision that stored the wish. */
  readonly atLeast: number;
  /** Milliseconds after which waiting ends; null waits as long as it takes. */
  readonly limitMs: number | null;
  /** Hears how units ended, those together that came together. */
  readonly onOutcomes: (outcomes: readonly Outcome[]) => Promise<void>;
  /** Hears, every few seconds, what is waited for. */
  readonly onNote: (note: string) => void;
}

/** A unit that is not settled yet. */
interface Pending {
  readonly goal: Goal;
  standing: Standing | null;
}

/** Waits for all goals. Rejects when the signal is aborted, or when the stream cannot be had. */
export async function waitForGoals(needs: WaitNeeds, goals: readonly Goal[], signal: AbortSignal): Promise<void> {
  if (goals.length === 0) return;
  const names = goals.map((goal) => goal.name);
  const view = createClusterView(names);
  const bell = createBell();
  const ended = new AbortController();
  const both = AbortSignal.any([signal, ended.signal]);
  const follow = async (): Promise<never> => {
    const query = { units: names, kinds: ['unit', 'assignment', 'status'] as const, atLeast: needs.atLeast };
    for await (const item of needs.client.events(query, both)) {
      view.take(item);
      if (view.isCurrent()) bell.wake();
    }
    throw new Error('the event stream ended without an error');
  };
  const following = follow();
  // The race below hears of a failure only while it runs; until then nobody else may complain about it.
  following.catch(() => undefined);
  try {
    const waiting = new Waiting(needs, view, goals);
    for (;;) {
      await waiting.look(signal);
      if (waiting.isOver()) return;
      const limit = { clock: needs.clock, limitMs: waiting.patienceMs() };
      await Promise.race([following, waitAtMost(bell, limit, both)]);
      // What comes in one piece is looked at, and told, at once: units come by the hundred.
      await needs.clock.sleep(0, both);
    }
  } finally {
    ended.abort();
    // Ends by throwing the reason it was aborted with, or has thrown already what the race above passed on.
    await following.catch(() => undefined);
  }
}

/** Standings that may still change by themselves. */
const openStates: ReadonlySet<Standing['state']> = new Set(['waiting', 'unassigned']);

/** The goals that are still open, and the times that matter to them. */
class Waiting {
  readonly #needs: WaitNeeds;
  readonly #view: ClusterView;
  readonly #pending: Map<string, Pending>;
  readonly #startedMs: number;
  #isFirstLook = true;
  /** Since when no unit has got a machine. */
  #idleMs: number;
  #notedMs: number;
  #lastNote = '';

  constructor(needs: WaitNeeds, view: ClusterView, goals: readonly Goal[]) {
    this.#needs = needs;
    this.#view = view;
    this.#pending = new Map(goals.map((goal) => [goal.name, { goal, standing: null }]));
    this.#startedMs = needs.clock.uptimeMs();
    this.#idleMs = this.#startedMs;
    this.#notedMs = this.#startedMs;
  }

  isOver(): boolean {
    return this.#pending.size === 0;
  }

  /** Judges what has changed, then what time has brought. */
  async look(signal: AbortSignal): Promise<void> {
    const nowMs = this.#needs.clock.uptimeMs();
    if (this.#view.isCurrent()) {
      for (const name of this.#view.takeChanged()) this.#judge(name, nowMs);
      await this.#end([...this.#pending.values()].flatMap((pending) => this.#outcomeOf(pending) ?? []));
      this.#isFirstLook = false;
      if (this.#unassigned().length > 0 && nowMs - this.#idleMs >= graceMs) {
        await this.#explain(signal);
        this.#idleMs = this.#needs.clock.uptimeMs();
      }
    }
    if (this.#needs.limitMs !== null && nowMs - this.#startedMs >= this.#needs.limitMs) await this.#giveUp(signal);
    if (nowMs - this.#notedMs >= noteMs) this.#note(nowMs);
  }

  /** Milliseconds until time alone may change something. */
  patienceMs(): number {
    const nowMs = this.#needs.clock.uptimeMs();
    const deadlines = [this.#notedMs + noteMs];
    if (this.#needs.limitMs !== null) deadlines.push(this.#startedMs + this.#needs.limitMs);
    if (this.#unassigned().length > 0) deadlines.push(this.#idleMs + graceMs);
    return Math.max(1, Math.min(...deadlines) - nowMs);
  }

  #unassigned(): readonly Pending[] {
    return [...this.#pending.values()].filter((pending) => pending.standing?.state === 'unassigned');
  }

  #judge(name: string, nowMs: number): void {
    const pending = this.#pending.get(name);
    if (pending === undefined) return;
    const standing = judge(pending.goal, this.#view.unit(name));
    if (pending.standing?.state === 'unassigned' && standing.state !== 'unassigned') this.#idleMs = nowMs;
    pending.standing = standing;
  }

  /** How the wait for a unit has ended; null while it may still change by itself. */
  #outcomeOf({ goal, standing }: Pending): Outcome | null {
    if (standing === null || openStates.has(standing.state)) return null;
    const { places, why } = standing;
    if (standing.state === 'failed') return { kind: 'failed', goal, places, why };
    if (standing.state === 'superseded') return { kind: 'superseded', goal, why };
    return { kind: 'reached', goal, places, atOnce: this.#isFirstLook && goal.unchanged };
  }

  async #end(outcomes: readonly Outcome[]): Promise<void> {
    for (const { goal } of outcomes) this.#pending.delete(goal.name);
    if (outcomes.length > 0) await this.#needs.onOutcomes(outcomes);
  }

  /** Asks why units are on no machine, and gives up those that fit on none. */
  async #explain(signal: AbortSignal): Promise<void> {
    const unassigned = this.#unassigned();
    let areHopeless = true;
    for (const { goal } of unassigned.slice(0, explainedMax)) {
      const explanation = await this.#reasons(goal.name, signal);
      // Where a machine is possible only a decision is missing: that of an engine that is about to lead, for example.
      const isHopeless =
        explanation?.state === 'unplaced' && explanation.machines.every(({ verdict }) => verdict !== 'possible');
      areHopeless &&= isHopeless;
      if (isHopeless) await this.#end([{ kind: 'unplaced', goal, explanation }]);
      else this.#say(`${goal.name}: ${explanation?.summary ?? 'it does not exist'}`);
    }
    if (!areHopeless) return;
    await this.#end(unassigned.slice(explainedMax).map(({ goal }) => ({ kind: 'unplaced', goal, explanation: null })));
  }

  /**
   * Why a unit is on no machine. That nobody can say so now is no reason to give up: how long to put up with that, the
   * stream decides.
   */
  async #reasons(name: string, signal: AbortSignal): Promise<Explanation | null> {
    try {
      return await this.#needs.client.explain(name, signal);
    } catch (error) {
      const isPassing = error instanceof Unreachable || (error instanceof ApiError && error.status >= 500);
      if (!isPassing) throw error;
      return { name, state: 'unknown', summary: error.message, machines: [] };
    }
  }

  /** Ends the wait: units on no machine with the reasons for that, all others with what they lack. */
  async #giveUp(signal: AbortSignal): Promise<void> {
    await this.#explain(signal);
    const late = [...this.#pending.values()];
    await this.#end(late.map(({ goal, standing }) => ({ kind: 'late', goal, why: standing?.why ?? 'the cluster has not told its state yet' })));
  }

  #note(nowMs: number): void {
    this.#notedMs = nowMs;
    // What units on no machine wait for is said when their reasons are asked for.
    const [first, ...others] = [...this.#pending.values()].filter(({ standing }) => standing?.state !== 'unassigned');
    if (first === undefined) return;
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
    this.#say(`${first.goal.name}: ${first.standing?.why ?? 'the cluster has not told its state yet'}${more}`);
  }

  #say(note: string): void {
    if (note !== this.#lastNote) this.#needs.onNote(note);
    this.#lastNote = note;
  }
}
