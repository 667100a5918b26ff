/**
 * What the processes of a service do, as the kernel tells it (proc(5)).
 * Promises: asleep means that every thread of the process and of all its descendants waits for something that is no disk; what cannot
 * be told for sure is not taken for sleep. Costs a few reads of memory.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** With more threads it is not told: reading them all would take too long. */
const threadsMax = 64;

/**
 * A text that changes whenever a thread of the process `pid` or of its descendants has run; null while one runs, waits for a disk or has
 * not begun its program yet, and when it cannot be told.
 */
export function activityOf(pid: number): string | null {
  const threads: string[] = [];
  try {
    return readProcess(pid, threads) ? threads.join(' ') : null;
  } catch {
    return null; // It is gone, or the kernel does not tell.
  }
}

/** Adds what the threads of a process and its descendants have done; answers false when one does not sleep. */
function readProcess(pid: number, threads: string[]): boolean {
  const tasks = `/proc/${String(pid)}/task`;
  const children: number[] = [];
  for (const thread of readdirSync(tasks)) {
    const read = (name: string): string => readFileSync(`${tasks}/${thread}/${name}`, 'utf8');
    const stat = read('stat');
    const nameEnds = stat.lastIndexOf(')');
    // Between fork and exec systemd puts the program's name in brackets of its own: "42 ((sleep)) S".
    if (stat[stat.indexOf('(') + 1] === '(' || stat[nameEnds + 2] !== 'S') return false;
    threads.push(`${thread}:${read('schedstat').trim()}`);
    if (threads.length > threadsMax) return false;
    children.push(...read('children').split(' ').filter((word) => word !== '').map(Number));
  }
  return children.every((child) => readProcess(child, threads));
}
