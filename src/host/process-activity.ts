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
  let main: Stat;
  try {
    main = readStat(String(pid));
    if (main.state === 'Z' || main.state === 'X') return { state: 'ended' };
    if (main.isBeginning) return { state: 'begins' };
  } catch {
    return { state: 'gone' };
  }
  const seen: Seen = { threads: [], ranMs: 0, isAsleep: true };
  try {
    look(String(pid), main, seen);
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

/** Most processes have one thread: of those the kernel tells in three files all there is to know. */
function look(pid: string, main: Stat, seen: Seen): void {
  const children: string[] = [];
  for (const thread of main.threadCount === 1 ? [pid] : readdirSync(`/proc/${pid}/task`)) {
    const task = `/proc/${pid}/task/${thread}`;
    const { isBeginning, state } = thread === pid ? main : readStat(`${pid}/task/${thread}`);
    const schedule = scheduleOf(task);
    seen.threads.push(`${thread}:${schedule}`);
    seen.ranMs += schedule === '' || seen.threads.length > threadsMax ? Infinity : Number.parseInt(schedule) / 1_000_000;
    if (isBeginning || state !== 'S' || seen.ranMs === Infinity) seen.isAsleep = false;
    if (seen.ranMs === Infinity) return;
    children.push(...readFileSync(`${task}/children`, 'utf8').split(' ').filter((word) => word !== ''));
  }
  for (const child of children) look(child, readStat(child), seen);
}

/** How long a thread has had a processor and waited for one, in nanoseconds, and how often; empty when the kernel does not tell. */
function scheduleOf(task: string): string {
  try {
    return readFileSync(`${task}/schedstat`, 'utf8').trim();
  } catch {
    return '';
  }
}

/** Of a process or one of its threads. */
interface Stat {
  readonly isBeginning: boolean;
  readonly state: string;
  readonly threadCount: number;
}

/** Of what follows the name in brackets the state is the first, the 3rd of all fields; the number of threads is the 20th (proc(5)). */
const threadCountField = 20 - 3;

/** Between fork and exec systemd puts the program's name in brackets of its own: "42 ((sleep)) S". */
function readStat(task: string): Stat {
  const stat = readFileSync(`/proc/${task}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { isBeginning: stat[stat.indexOf('(') + 1] === '(', state: fields[0] ?? '', threadCount: Number(fields[threadCountField]) };
}
