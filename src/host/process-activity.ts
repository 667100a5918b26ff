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
    if (state === 'Z' || state === 'X') return { state: 'gone' };
    if (isBeginning) return { state: 'begins' };
  } catch {
    return { state: 'gone' };
  }
  const threads: string[] = [];
  try {
    if (sleeps(main, threads)) return { state: 'asleep', text: threads.join(' ') };
  } catch {
    // One of them has ended meanwhile, or the kernel does not tell.
  }
  return { state: 'busy', ranMs: ranMsOf(main) };
}

/** How long the main thread has had a processor; Infinity when the kernel does not tell. */
function ranMsOf(process: string): number {
  try {
    return Number.parseInt(readFileSync(`${process}/schedstat`, 'utf8')) / 1_000_000;
  } catch {
    return Infinity;
  }
}

/** Adds what the threads of a process and its descendants have done; answers false when one does not sleep. */
function sleeps(process: string, threads: string[]): boolean {
  const children: string[] = [];
  for (const thread of readdirSync(`${process}/task`)) {
    const task = `${process}/task/${thread}`;
    const { isBeginning, state } = readStat(task);
    if (isBeginning || state !== 'S') return false;
    threads.push(`${thread}:${readFileSync(`${task}/schedstat`, 'utf8').trim()}`);
    if (threads.length > threadsMax) return false;
    children.push(...readFileSync(`${task}/children`, 'utf8').split(' ').filter((word) => word !== ''));
  }
  return children.every((child) => sleeps(`/proc/${child}`, threads));
}

/** Between fork and exec systemd puts the program's name in brackets of its own: "42 ((sleep)) S". */
function readStat(task: string): { readonly isBeginning: boolean; readonly state: string } {
  const stat = readFileSync(`${task}/stat`, 'utf8');
  return { isBeginning: stat[stat.indexOf('(') + 1] === '(', state: stat[stat.lastIndexOf(')') + 2] ?? '' };
}
