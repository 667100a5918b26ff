/**
 * What the processes of a service do, as the kernel tells it (proc(5)).
 * Promises: asleep means that every thread of the process and of all its descendants waits for something that is no disk; what cannot
 * be told for sure is not taken for sleep. Costs a few reads of memory.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { ProcessActivity } from '../core/process-activity.ts';

/** With more threads it is not told: reading them all would take too long. */
const threadsMax = 64;

/** What the process `pid` and its descendants do. */
export function activityOf(pid: number): ProcessActivity {
  const main = `/proc/${String(pid)}`;
  try {
    const { isBeginning, state } = readStat(main);
    if (state === 'Z' || state === 'X') return { state: 'ended' };
    if (isBeginning) return { state: 'begins' };
  } catch {
    return { state: 'gone' };
  }
  const seen: Seen = { threads: [], ranMs: 0, isAsleep: true };
  try {
    look(main, seen);
  } catch {
    seen.isAsleep = false; // One of them has ended meanwhile, or the kernel does not tell.
  }
  return seen.isAsleep ? { state: 'asleep', text: seen.threads.join(' ') } : { state: 'busy', ranMs: seen.ranMs };
}

/** What was seen of the threads of a process and its descendants. */
interface Seen {
  readonly threads: string[];
  /** How long they have had processors; Infinity when they are too many, or the kernel does not tell. */
  ranMs: number;
  isAsleep: boolean;
}

function look(process: string, seen: Seen): void {
  const children: string[] = [];
  for (const thread of readdirSync(`${process}/task`)) {
    const task = `${process}/task/${thread}`;
    const { isBeginning, state } = readStat(task);
    const schedule = scheduleOf(task);
    seen.threads.push(`${thread}:${schedule}`);
    seen.ranMs += schedule === '' || seen.threads.length > threadsMax ? Infinity : Number.parseInt(schedule) / 1_000_000;
    if (isBeginning || state !== 'S' || seen.ranMs === Infinity) seen.isAsleep = false;
    if (seen.ranMs === Infinity) return;
    children.push(...readFileSync(`${task}/children`, 'utf8').split(' ').filter((word) => word !== ''));
  }
  for (const child of children) look(`/proc/${child}`, seen);
}

/** How long a thread has had a processor and waited for one, in nanoseconds, and how often; empty when the kernel does not tell. */
function scheduleOf(task: string): string {
  try {
    return readFileSync(`${task}/schedstat`, 'utf8').trim();
  } catch {
    return '';
  }
}

/** Between fork and exec systemd puts the program's name in brackets of its own: "42 ((sleep)) S". */
function readStat(task: string): { readonly isBeginning: boolean; readonly state: string } {
  const stat = readFileSync(`${task}/stat`, 'utf8');
  return { isBeginning: stat[stat.indexOf('(') + 1] === '(', state: stat[stat.lastIndexOf(')') + 2] ?? '' };
}
