/** A unit's state in words, in the style of `systemctl status`. Promises: pure; says what is not honoured of the unit. */
import type { UnitName } from '../../core/unit-name.ts';
import type { Observation } from '../runner.ts';
import type { NotHonoured } from './instructions.ts';
import type { KeeperState, LastRun } from './keeper-state.ts';
import { keeperLost } from './observe.ts';

/** A process of the unit: its depth below the keeper, and its command line. */
export interface ShownProcess {
  readonly pid: number;
  readonly depth: number;
  readonly command: string;
}

export interface StatusFacts {
  readonly name: UnitName;
  readonly description: string;
  /** Where the unit file lies. */
  readonly path: string;
  readonly notHonoured: readonly NotHonoured[];
  readonly observation: Observation;
  /** What the keeper wrote last in this boot; null when the unit was not started in it. */
  readonly state: KeeperState | null;
  readonly processes: readonly ShownProcess[];
  /** Last lines of the journal, formatted. */
  readonly journal: string;
  readonly nowMs: number;
}

/** Width of the labels of `systemctl status`. */
const LABEL_WIDTH = 11;

/** The whole text, ending with a line end. */
export function statusText(facts: StatusFacts): string {
  const { observation, state } = facts;
  const lines = [
    `${bulletOf(observation.active)} ${facts.name}${facts.description === '' ? '' : ` - ${facts.description}`}`,
    labelled('Loaded', `loaded (${facts.path})`),
    labelled('Active', activeText(observation, facts.nowMs)),
    ...(state?.runs ?? []).flatMap((run) => runLines(run, state?.mainPid ?? 0)),
    ...mainProcessLines(facts),
    ...(state === null || state.statusText === '' ? [] : [labelled('Status', `"${state.statusText}"`)]),
    ...(observation.restarts > 0 ? [labelled('Restarts', String(observation.restarts))] : []),
    ...processLines(facts.processes),
    ...notHonouredLines(facts.notHonoured),
  ];
  return `${lines.join('\n')}\n${facts.journal === '' ? '' : `\n${facts.journal}`}`;
}

const labelled = (label: string, text: string): string => `${label.padStart(LABEL_WIDTH)}: ${text}`;

function bulletOf(active: string): string {
  return active === 'failed' ? '×' : active === 'active' || active === 'activating' || active === 'reloading' ? '●' : '○';
}

/** "active (running) since ...", "failed (Result: exit-code) since ...", "activating (auto-restart) (Result: signal) since ...". */
function activeText({ active, sub, result, sinceMs }: Observation, nowMs: number): string {
  const words = [active];
  if (sub !== active) words.push(`(${sub})`);
  if (result !== 'success') words.push(`(Result: ${result})`);
  const since = sinceMs === 0 ? '' : ` since ${moment(sinceMs)}; ${ago(nowMs - sinceMs)}`;
  const lost = result === keeperLost ? '; its keeper was killed, how its processes ended is not known' : '';
  return `${words.join(' ')}${since}${lost}`;
}

const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const two = (number: number): string => String(number).padStart(2, '0');

/** "Thu 2026-11-19 11:31:04 UTC", in local time. */
function moment(atMs: number): string {
  const date = new Date(atMs);
  const zone = new Intl.DateTimeFormat('en', { timeZoneName: 'short' }).formatToParts(date).find(({ type }) => type === 'timeZoneName');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${weekdays[date.getDay()] ?? ''} ${day} ${time} ${zone?.value ?? ''}`.trim();
}

const spans: readonly (readonly [unit: string, seconds: number])[] = [['day', 86_400], ['h', 3_600], ['min', 60], ['s', 1]];

/** "5s ago", "2min 3s ago", "3 days ago": the two largest units, as systemctl shows them. */
export function ago(elapsedMs: number): string {
  const seconds = Math.max(0, Math.floor(elapsedMs / 1_000));
  const [first] = spans.flatMap(([, length], index) => (seconds >= length ? [index] : []));
  if (first === undefined) return 'just now';
  const [unit, length] = spans[first] ?? ['s', 1];
  const count = Math.floor(seconds / length);
  if (unit === 'day') return `${count} ${count === 1 ? 'day' : 'days'} ago`;
  const [smaller, smallerLength] = spans[first + 1] ?? ['', Infinity];
  const rest = Math.floor((seconds % length) / smallerLength);
  return `${count}${unit}${rest > 0 ? ` ${rest}${smaller}` : ''} ago`;
}

function runLines(run: LastRun, mainPid: number): readonly string[] {
  if (run.code === null) return run.pid === mainPid ? [] : [labelled('Control PID', `${run.pid} (${run.command})`)];
  return [labelled('Process', `${run.pid} ${run.command} (code=${run.code}, status=${run.status})`)];
}

function mainProcessLines({ state, processes }: StatusFacts): readonly string[] {
  if (state === null || state.mainPid === 0) return [];
  const command = processes.find(({ pid }) => pid === state.mainPid)?.command ?? '';
  const program = command.split(' ')[0]?.split('/').at(-1) ?? '';
  return [labelled('Main PID', `${state.mainPid}${program === '' ? '' : ` (${program})`}`)];
}

function processLines(processes: readonly ShownProcess[]): readonly string[] {
  const [first, ...rest] = processes.map(({ pid, depth, command }) => `${'  '.repeat(depth)}${pid} ${command}`);
  if (first === undefined) return [];
  const indent = ' '.repeat(LABEL_WIDTH + 2);
  return [labelled('Tasks', String(processes.length)), labelled('Processes', first), ...rest.map((line) => indent + line)];
}

/** One line for options that are not honoured at all, one for each whose value is not. */
function notHonouredLines(notHonoured: readonly NotHonoured[]): readonly string[] {
  const where = ({ name, line }: NotHonoured): string => `${name}=${line === 0 ? '' : ` (line ${line})`}`;
  const whole = notHonoured.filter(({ why }) => why === '');
  return [
    ...(whole.length === 0 ? [] : [labelled('Not honoured', `${whole.map(where).join(', ')}: they need systemd`)]),
    ...notHonoured.filter(({ why }) => why !== '').map((option) => labelled('Not honoured', `${where(option)}: ${option.why}`)),
  ];
}
