/**
 * A mirror that is there only while somebody needs it: a machine that neither decides nor is asked keeps nothing of the cluster.
 * Promises: whoever holds it sees what a mirror shows, from when hold() has answered until the hold is released; some time after the last release
 * nothing is kept and the store is not followed; listeners are told of that by a batch of revision 0, after which a batch begins anew.
 */
import { emptySnapshot } from '../core/cluster.ts';
import { inTime, withDeadline } from '../lib/deadline.ts';
import { untilFirstEnds } from '../lib/tasks.ts';
import { createBell, untilHolds } from '../lib/wakeups.ts';
import { createMirror } from './mirror.ts';
import type { FollowBatch, FollowNeeds, Freshness, Mirror } from './mirror.ts';
import type { Revision } from './store.ts';

/** How long it stays after the last release: people who look once look again. */
const restAfterMs = 60_000;
/** How long hold() waits for the store to answer. */
const wakeLimitMs = 5_000;

export interface MirrorRest {
  /**
   * Keeps the mirror until the function it answers with is called. Resolves once the store has answered, or has not within some seconds: then
   * the snapshot is still empty.
   */
  hold(): Promise<() => void>;
  /** Whether nothing is kept because nobody holds it. */
  isResting(): boolean;
}

export interface RestingMirror extends Mirror, MirrorRest {}

export function createRestingMirror(needs: FollowNeeds): RestingMirror {
  const { clock } = needs;
  const listeners = new Set<(batch: FollowBatch) => void>();
  const bell = createBell();
  let awake: Mirror | null = null;
  let holds = 0;
  let changedAtMs = clock.uptimeMs();

  const tell = (batch: FollowBatch): void => {
    for (const listener of [...listeners]) listener(batch);
  };
  const subscribe = (listener: (batch: FollowBatch) => void): (() => void) => {
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  };
  const reached: Mirror['reached'] = (wanted, signal) => untilHolds(subscribe, () => (awake?.snapshot().revision ?? 0) >= wanted, signal);
  const resting = (): Freshness => ({ current: false, sinceMs: changedAtMs, why: 'nobody has asked about the cluster lately' });
  const release = (): void => {
    holds -= 1;
    changedAtMs = clock.uptimeMs();
  };
  const untilUnneeded = async (signal: AbortSignal): Promise<void> => {
    do await clock.sleep(restAfterMs, signal);
    while (holds > 0 || clock.uptimeMs() - changedAtMs < restAfterMs);
    awake = null; // In the same turn: who holds from now on waits for the next one.
  };
  const serveHolders = async (signal: AbortSignal): Promise<void> => {
    const mirror = createMirror(needs);
    mirror.subscribe((batch) => {
      if (awake === mirror) tell(batch);
    });
    awake = mirror;
    try {
      await untilFirstEnds([mirror.run, untilUnneeded], signal);
    } finally {
      awake = null;
      changedAtMs = clock.uptimeMs();
      tell({ revision: 0 as Revision, changes: [] });
    }
  };
  return {
    snapshot: () => awake?.snapshot() ?? emptySnapshot,
    freshness: () => awake?.freshness() ?? resting(),
    modRevision: (key) => awake?.modRevision(key) ?? 0,
    subscribe,
    reached,
    untilCurrent: (signal) => awake?.untilCurrent(signal) ?? untilHolds(subscribe, () => false, signal),
    isResting: () => awake === null && holds === 0,
    async hold() {
      holds += 1;
      bell.wake();
      await inTime(withDeadline({ clock, limitMs: wakeLimitMs }, (late) => reached(1 as Revision, late)));
      let isHeld = true;
      return () => {
        if (isHeld) release();
        isHeld = false;
      };
    },
    async run(signal) {
      while (!signal.aborted) {
        if (holds > 0) await serveHolders(signal);
        else await bell.wait(signal).catch(() => undefined); // Aborted: the loop ends.
      }
    },
  };
}
