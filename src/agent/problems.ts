/**
 * What went wrong with single units and files, and when each is tried again.
 * Promises: a problem is tried again after a while that grows, or at once when something else is asked of the unit; it is
 * forgotten once the unit needs nothing or what it needed was done.
 */
import type { FileHash } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import { createBackoff } from '../lib/backoff.ts';
import type { Backoff } from '../lib/backoff.ts';
import type { Random } from '../lib/random.ts';

const firstRetryMs = 1_000;
const longestRetryMs = 60_000;

/** What a problem is about: a unit, or a file that units wait for. */
export type Subject = UnitName | FileHash;

interface Entry {
  why: string;
  /** What was asked of the unit when it went wrong. */
  wish: string;
  againAtMs: number;
  readonly backoff: Backoff;
}

export interface ProblemBook {
  /** Why something cannot be done, as one line; null when nothing is known to be wrong. */
  whyOf(subject: Subject): string | null;
  /** Notes that something went wrong; `wish` tells one request from another, `uptimeMs` is now. */
  note(subject: Subject, problem: { readonly why: string; readonly wish: string }, uptimeMs: number): void;
  /** Subjects that are not to be tried yet; those of whom something else is asked now are. */
  withheld(wishOf: (subject: Subject) => string, uptimeMs: number): ReadonlySet<Subject>;
  /** Forgets a problem, if there was one. */
  clear(subject: Subject): void;
  subjects(): readonly Subject[];
  /** Milliseconds until the next is tried again; null when there is none. */
  nextMs(uptimeMs: number): number | null;
}

export function createProblemBook(random: Random): ProblemBook {
  const entries = new Map<Subject, Entry>();
  return {
    whyOf: (subject) => entries.get(subject)?.why ?? null,
    note(subject, { why, wish }, uptimeMs): void {
      const backoff = entries.get(subject)?.backoff ?? createBackoff({ firstMs: firstRetryMs, maxMs: longestRetryMs }, random);
      entries.set(subject, { why, wish, againAtMs: uptimeMs + backoff.nextMs(), backoff });
    },
    withheld(wishOf, uptimeMs): ReadonlySet<Subject> {
      const waiting = [...entries].filter(([subject, { wish, againAtMs }]) => againAtMs > uptimeMs && wishOf(subject) === wish);
      return new Set(waiting.map(([subject]) => subject));
    },
    clear: (subject) => void entries.delete(subject),
    subjects: () => [...entries.keys()],
    nextMs(uptimeMs): number | null {
      const due = [...entries.values()].map(({ againAtMs }) => Math.max(0, againAtMs - uptimeMs));
      return due.length === 0 ? null : Math.min(...due);
    },
  };
}
