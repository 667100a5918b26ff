import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fault, History, Life, Request } from './history.ts';
import { violations, wantedOf } from './verdict.ts';

const endMs = 600_000;
const quiet: History = { lives: [], requests: [], faults: [], overlaps: [], portClashes: [], releases: [], machines: [], readAtMs: endMs };
const life = (over: Partial<Life>): Life => ({ unit: 'keep@1.service', machine: 'n1', pid: 7, fromMs: 1_000, untilMs: endMs, version: 0, ...over });
const asked = (over: Partial<Request>): Request => ({ subject: 'keep@1.service', verb: 'start', amount: 0, atMs: 500, accepted: true, overMs: null, ...over });
const start = asked({});
const fault = (over: Partial<Fault>): Fault => (
  { kind: 'cut', takes: ['n1'], fences: false, fromMs: 200_000, untilMs: 210_000, evidence: 'no answer', ...over });

const cases: readonly { readonly name: string; readonly history: Partial<History>; readonly says: readonly RegExp[] }[] = [
  { name: 'a unit that was started and runs is fine', history: { requests: [start], lives: [life({})] }, says: [] },
  { name: 'a process that ends without a reason is a break', history: { requests: [start], lives: [life({ untilMs: 300_000 }), life({ pid: 8, fromMs: 300_100 })] },
    says: [/keep@1\.service on n1 \(pid 7\) ended at 00:05:00\.000 for no reason/] },
  { name: 'a restart is a reason', history: {
    requests: [start, { ...start, verb: 'restart', atMs: 299_000 }], lives: [life({ untilMs: 300_000 }), life({ pid: 8, fromMs: 300_100 })] }, says: [] },
  { name: 'and none for what comes much later', history: {
    requests: [start, { ...start, verb: 'restart', atMs: 249_000 }], lives: [life({ untilMs: 300_000 }), life({ pid: 8, fromMs: 300_100 })] }, says: [/no reason/] },
  { name: 'a start is none', history: {
    requests: [start, { ...start, atMs: 299_000 }], lives: [life({ untilMs: 300_000 }), life({ pid: 8, fromMs: 300_100 })] }, says: [/no reason/] },
  { name: 'a fault that takes units from the machine is a reason', history: {
    requests: [start], faults: [fault({})], lives: [life({ untilMs: 214_000 }), life({ pid: 8, machine: 'n2', fromMs: 206_000 })] }, says: [] },
  { name: 'the same fault on another machine is none', history: {
    requests: [start], faults: [fault({ takes: ['n2'] })], lives: [life({ untilMs: 214_000 }), life({ pid: 8, fromMs: 214_100 })] }, says: [/no reason.*cut/] },
  { name: 'a store that is away is no reason for a unit that keeps running', history: {
    requests: [start], faults: [fault({ takes: [], fences: true })], lives: [life({ untilMs: 214_000 }), life({ pid: 8, fromMs: 214_100 })] }, says: [/no reason/] },
  { name: 'and it is one for a unit that stops with its machine', history: {
    requests: [asked({ subject: 'stop@1.service' })], faults: [fault({ takes: [], fences: true })],
    lives: [life({ unit: 'stop@1.service', untilMs: 214_000 }), life({ unit: 'stop@1.service', pid: 8, fromMs: 230_000 })] }, says: [] },
  { name: 'an overlap counts for units that stop with their machine only', history: {
    overlaps: [{ unit: 'keep@1.service', machine: 'n1', atMs: 1 }, { unit: 'stop@1.service', machine: 'n2', atMs: 2 }] },
    says: [/stop@1\.service began on n2/] },
  { name: 'what was accepted has to be in effect', history: { requests: [start] }, says: [/does not run/] },
  { name: 'what was not answered may be or not', history: { requests: [{ ...start, accepted: false }] }, says: [] },
  { name: 'a process of a destroyed unit is a break', history: {
    requests: [start, { ...start, verb: 'destroy', atMs: 400_000 }], lives: [life({})] }, says: [/destroyed, and runs on n1 \(pid 7\)/] },
  { name: 'two units of a machine with one port are a break', history: {
    portClashes: [{ unit: 'surge@1.service', machine: 'n1', atMs: 1 }] }, says: [/surge@1\.service began on n1 .* port that was in use/] },
  { name: 'a template runs as often as it was scaled to', history: {
    requests: [asked({ subject: 'surge@.service', verb: 'scale', amount: 2 })], lives: [life({ unit: 'surge@3.service' })] },
    says: [/surge@\.service was scaled to 2, and there run surge@3\.service$/] },
  { name: 'a release is a reason for units of its template to end, until it is over', history: {
    requests: [asked({ subject: 'surge@.service', verb: 'scale', amount: 1 }), asked({ subject: 'surge@.service', verb: 'release', amount: 1, overMs: 100_000 })],
    releases: [{ template: 'surge@.service', state: 'done', why: '' }],
    lives: [life({ unit: 'surge@1.service', untilMs: 90_000 }), life({ unit: 'surge@2.service', version: 1, untilMs: 200_000 }),
      life({ unit: 'surge@2.service', pid: 8, version: 1 })] },
    says: [/surge@2\.service on n1 .* ended at 00:03:20/] },
  { name: 'a release that is done is everywhere', history: {
    requests: [asked({ subject: 'place@.service', verb: 'release', amount: 2 })], releases: [{ template: 'place@.service', state: 'done', why: '' }],
    lives: [life({ unit: 'place@1.service', version: 1 })] }, says: [/place@1\.service runs version 1, and version 2 was released/] },
  { name: 'one that went back is not', history: {
    requests: [asked({ subject: 'place@.service', verb: 'release', amount: 2 })], releases: [{ template: 'place@.service', state: 'rolled-back', why: '' }],
    lives: [life({ unit: 'place@1.service', version: 1 })] }, says: [] },
  { name: 'one that does not end is a break', history: {
    releases: [{ template: 'place@.service', state: 'rolling', why: 'waits' }] }, says: [/release of place@\.service did not end: it is rolling \(waits\)/] },
  { name: 'a drain is a reason for units of its machine to end, and has to end itself', history: {
    requests: [start, asked({ subject: 'n1', verb: 'drain', atMs: 100_000 })], machines: [{ machine: 'n1', state: 'draining' }],
    lives: [life({ untilMs: 300_000 }), life({ machine: 'n2', pid: 8, fromMs: 300_100 })] }, says: [/n1 is draining after drain was accepted/] },
  { name: 'nothing runs on a machine that was drained', history: {
    requests: [start, asked({ subject: 'n1', verb: 'drain', atMs: 100_000 })], machines: [{ machine: 'n1', state: 'drained' }], lives: [life({})] },
    says: [/keep@1\.service \(pid 7\) runs on n1, which was drained/] },
  { name: 'two processes in the end are a break', history: { requests: [start], lives: [life({}), life({ machine: 'n2', pid: 8 })] }, says: [/more than once/] },
];

for (const { name, history, says } of cases) {
  test(name, () => {
    const found = violations({ ...quiet, ...history });
    assert.equal(found.length, says.length, found.join('\n'));
    for (const [index, expected] of says.entries()) assert.match(found[index] ?? '', expected);
  });
}

test('a unit nobody asked for is not to run', () => {
  assert.equal(wantedOf([]), 'not running');
});
