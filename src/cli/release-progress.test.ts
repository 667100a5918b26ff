/** What people read while a release goes on: each thing once, whatever moment they begin to look. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReleaseMoveView, ReleaseView } from '../protocol/releases.ts';
import { linesBetween } from './release-progress.ts';

const release: ReleaseView = {
  name: 'apps@.service', state: 'rolling', paused: false, why: '', inPlaceWhy: '', target: 2, origin: 1, goal: 2, total: 3, changed: 0,
  strategy: { way: 'surge', batch: '1', pause: false, maxFailures: 0, minActiveMs: 5_000, healthTimeoutMs: 300_000, rollback: true },
  generations: [], moves: [], failures: [], startedAtMs: 0, changedAtMs: 0, by: 'ann',
};
const surging: ReleaseMoveView = {
  unit: 'apps@4.service', old: 'apps@1.service', machine: null, phase: 'starting', generation: 2, healthySinceMs: null, why: '',
};

const steps: readonly { title: string; before: ReleaseView | null; after: ReleaseView; lines: readonly string[] }[] = [
  {
    title: 'whoever begins to look sees where it is, and what is on its way', before: null, after: { ...release, changed: 1, moves: [surging] },
    lines: [
      'Release of apps@.service goes to generation 2: 1 of 3 changed, 1 at a time, surge',
      'apps@4.service starts in the place of apps@1.service',
    ],
  },
  { title: 'nothing new says nothing', before: release, after: { ...release, changedAtMs: 9 }, lines: [] },
  {
    title: 'a new instance is healthy', before: { ...release, moves: [surging] }, after: { ...release, moves: [{ ...surging, healthySinceMs: 5 }] },
    lines: ['apps@4.service is healthy'],
  },
  {
    title: 'it is no longer healthy', before: { ...release, moves: [{ ...surging, healthySinceMs: 5 }] }, after: { ...release, moves: [surging] },
    lines: ['apps@4.service is no longer healthy'],
  },
  {
    title: 'the old one goes', before: { ...release, moves: [{ ...surging, healthySinceMs: 5 }] },
    after: { ...release, changed: 1, moves: [{ ...surging, healthySinceMs: 5, phase: 'leaving' }] },
    lines: ['apps@1.service goes', '1 of 3 changed'],
  },
  {
    title: 'the old one is gone', before: { ...release, changed: 1, moves: [{ ...surging, phase: 'leaving' }] }, after: { ...release, changed: 1 },
    lines: ['apps@1.service is gone'],
  },
  {
    title: 'a full range is said, and the unit that starts anew instead', before: { ...release, moves: [surging] },
    after: { ...release, inPlaceWhy: 'the range is full', moves: [{ ...surging, unit: 'apps@1.service', old: null }] },
    lines: ['In place from here on: the range is full', 'apps@1.service starts anew'],
  },
  {
    title: 'a machine of a global unit has its turn', before: release,
    after: { ...release, moves: [{ ...surging, unit: 'log.service', old: null, machine: '1234567890' }] },
    lines: ['log.service on 12345678... starts anew'],
  },
  {
    title: 'it goes back', before: release, after: { ...release, state: 'rolling-back', goal: 1, why: 'going back to generation 1: it failed' },
    lines: ['going back to generation 1: it failed'],
  },
];
for (const { title, before, after, lines } of steps) {
  test(title, () => assert.deepEqual(linesBetween(before, after), lines));
}
