/**
 * The state file of a keeper (native/keeper/protocol.h), and whether what it says still holds.
 * Promises: a recycled process id is never taken for a keeper; after a reboot, or a restart of the container, nothing is taken
 * as running; a keeper that was killed is told from one that ended.
 */
import { readFile } from 'node:fs/promises';

/** The last command of one phase. */
export interface LastRun {
  readonly pid: number;
  /** exited, killed or dumped; null while it runs. */
  readonly code: string | null;
  /** "1/FAILURE", "15/TERM". */
  readonly status: string;
  /** "ExecStartPre=/bin/mkdir -p /run/app". */
  readonly command: string;
}

/** What a keeper wrote last. Times in microseconds since the epoch, 0 when not yet. */
export interface KeeperState {
  readonly boot: string;
  readonly keeperPid: number;
  readonly keeperStart: string;
  readonly rendered: string;
  readonly active: string;
  readonly sub: string;
  readonly result: string;
  readonly sinceUs: number;
  readonly restarts: number;
  readonly succeeded: boolean;
  readonly mainPid: number;
  readonly controlPid: number;
  readonly mainStartedUs: number;
  readonly mainEndedUs: number;
  /** exited, killed, dumped; '' while it runs or when there was none. */
  readonly mainCode: string;
  readonly mainStatus: number;
  readonly statusText: string;
  readonly runs: readonly LastRun[];
}

/** The text of a state file; null when it is not whole. */
function parseKeeperState(text: string): KeeperState | null {
  const lines = text.split('\n');
  if (lines[0] !== 'fleet-keeper-state 1' || lines.at(-2) !== 'end') return null;
  const values = new Map<string, string>();
  const runs: LastRun[] = [];
  for (const line of lines.slice(1, -2)) {
    const key = line.slice(0, line.indexOf(' '));
    const value = line.slice(key.length + 1);
    if (key === 'run') runs.push(parseRun(value));
    else values.set(key, unescape(value));
  }
  const word = (key: string): string => values.get(key) ?? '';
  const number = (key: string): number => Number(values.get(key) ?? 0);
  return {
    boot: word('boot'), keeperPid: number('keeper-pid'), keeperStart: word('keeper-start'), rendered: word('rendered'),
    active: word('active'), sub: word('sub'), result: word('result'), sinceUs: number('since-us'), restarts: number('restarts'),
    succeeded: word('succeeded') === '1', mainPid: number('main-pid'), controlPid: number('control-pid'),
    mainStartedUs: number('main-started-us'), mainEndedUs: number('main-ended-us'), mainCode: word('main-code'),
    mainStatus: number('main-status'), statusText: word('status-text'), runs,
  };
}

function parseRun(value: string): LastRun {
  const [pid = '0', code = '-', status = '-'] = value.split(' ', 3);
  const command = value.slice(`${pid} ${code} ${status} `.length);
  return { pid: Number(pid), code: code === '-' ? null : code, status, command: unescape(command) };
}

function unescape(value: string): string {
  return value.replace(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter === 't' ? '\t' : letter));
}

/** Start time of a process in clock ticks since boot, parent and name, from /proc/PID/stat (proc(5)). */
export interface ProcessFacts {
  readonly name: string;
  readonly state: string;
  readonly parent: number;
  readonly startTicks: string;
}

/** Facts of a living process; null when there is none. */
async function lookAtProcess(pid: number): Promise<ProcessFacts | null> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => null);
  if (stat === null) return null;
  // The name stands in brackets and may hold brackets and blanks itself: the last one ends it.
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  return { name: stat.slice(stat.indexOf('(') + 1, end), state: fields[0] ?? '', parent: Number(fields[1]), startTicks: fields[19] ?? '' };
}

/** Names this boot, or this run of a container: a new first process means that all others are gone, too. */
export async function readBootName(): Promise<string> {
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')).trim();
  return `${bootId}/${(await lookAtProcess(1))?.startTicks ?? '0'}`;
}

/** Whether the unit has a state beyond "inactive", by its own account. */
export function isUp(state: Pick<KeeperState, 'active'>): boolean {
  return state.active !== 'inactive' && state.active !== 'failed';
}

/** What is known of a unit now. */
export type Seen =
  | { readonly kind: 'never-started' }
  | { readonly kind: 'other-boot'; readonly state: KeeperState }
  | { readonly kind: 'kept' | 'ended' | 'keeper-lost'; readonly state: KeeperState };

/** Reads a state file and judges it. A unit that is up needs a living keeper; without one its keeper was killed. */
export async function readSeen(path: string, boot: string): Promise<Seen> {
  let text = await readStateText(path);
  for (;;) {
    const state = parseKeeperState(text);
    if (state === null) return { kind: 'never-started' };
    if (state.boot !== boot) return { kind: 'other-boot', state };
    if (!isUp(state)) return { kind: 'ended', state };
    if (await keeperLives(state)) return { kind: 'kept', state };
    // It may have ended in order after its state was read: it writes the outcome first. Each round needs a keeper that
    // came and went meanwhile, so there are few.
    const newer = await readStateText(path);
    if (newer === text) return { kind: 'keeper-lost', state };
    text = newer;
  }
}

async function readStateText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
}

async function keeperLives({ keeperPid, keeperStart }: KeeperState): Promise<boolean> {
  const process = await lookAtProcess(keeperPid);
  return process !== null && process.startTicks === keeperStart && process.state !== 'Z';
}
