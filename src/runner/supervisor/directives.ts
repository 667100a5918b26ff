/**
 * The options of [Unit] and [Service] that the supervisor honours, and what each does to the keeper's instructions.
 * Promises: this table is docs/unit-files.md's (a test compares them); an option that is not in it is said to be not honoured.
 */
import { splitQuoted } from '../../core/words.ts';
import type { Phase, Draft, DraftContext } from './draft.ts';
import { readCommandLine } from './command-line.ts';
import {
  readBoolean, readExitStatus, readInteger, readLimit, readMode, readSignal, readTimeLimit, readTimeSpan,
} from './values.ts';

/** Why a value cannot be honoured; `fatal` when the unit cannot be run without it. */
export interface Complaint {
  readonly why: string;
  readonly fatal?: true;
}

/** Applies one assignment; answers null when all is well. An empty value takes back what was assigned before. */
export type Directive = (value: string, draft: Draft, context: DraftContext) => Complaint | null;

type Read = (text: string) => string | null;

function takeBack<Key>(settings: Map<Key, unknown>, key: Key): null {
  settings.delete(key);
  return null;
}

function one(key: string, read: Read, expected: string): Directive {
  return (value, draft, { expand }) => {
    if (value === '') return takeBack(draft.settings, key);
    const expanded = expand(value);
    if (!expanded.ok) return { why: expanded.failure.message };
    const setting = read(expanded.value);
    if (setting === null) return { why: `"${value}" is not ${expected}` };
    draft.settings.set(key, [setting]);
    return null;
  };
}

const text = (key: string): Directive => one(key, (value) => value, 'text');
const flag = (key: string): Directive => one(key, readBoolean, 'yes or no');
const span = (key: string): Directive => one(key, readTimeSpan, 'a time span');
const limit = (key: string): Directive => one(key, readTimeLimit, 'a time span');
const signal = (key: string): Directive => one(key, readSignal, 'a signal');
const integer = (key: string, least: number, most: number): Directive =>
  one(key, (value) => readInteger(value, least, most), `a number from ${least} to ${most}`);
const choice = (key: string, values: readonly string[]): Directive =>
  one(key, (value) => (values.includes(value) ? value : null), `one of ${values.join(', ')}`);

/** A list of words: assignments add up. `read` turns a word into its setting. */
function list(key: string, read: Read, expected: string): Directive {
  return (value, draft, { expand }) => {
    if (value === '') return takeBack(draft.settings, key);
    const words = splitQuoted(value);
    if (!words.ok) return { why: words.failure.message };
    const fields = [...(draft.settings.get(key) ?? [])];
    let complaint: Complaint | null = null;
    for (const word of words.value) {
      const expanded = expand(word);
      const field = expanded.ok ? read(expanded.value) : null;
      if (field === null) complaint = { why: `"${word}" is not ${expected}` };
      else fields.push(field);
    }
    draft.settings.set(key, fields);
    return complaint;
  };
}

const words = (key: string): Directive => list(key, (word) => word, 'a word');
const statuses = (key: string): Directive => list(key, readExitStatus, 'an exit status or a signal');

function exec(phase: Phase): Directive {
  return (value, draft, { expand }) => {
    if (value === '') return takeBack(draft.commands, phase);
    const read = readCommandLine(value, expand);
    if (!read.ok) return { why: read.failure.message, fatal: true };
    draft.commands.set(phase, [...(draft.commands.get(phase) ?? []), ...read.value]);
    return null;
  };
}

function resourceLimit(resource: string): Directive {
  return (value, draft) => {
    if (value === '') return takeBack(draft.limits, resource);
    const read = readLimit(resource, value);
    if (read === null) return { why: `"${value}" is not a limit` };
    draft.limits.set(resource, read);
    return null;
  };
}

/** Where the supervisor can put what a unit writes; a terminal, the kernel's log and sockets it has not. */
function output(key: string): Directive {
  return (value, draft, { expand }) => {
    const expanded = expand(value);
    if (!expanded.ok) return { why: expanded.failure.message };
    const [, kind = '', path = ''] = /^([a-z+]*)(?::(.*))?$/.exec(expanded.value) ?? [];
    const toFile = ['file', 'append', 'truncate'].includes(kind) && path.startsWith('/');
    const where = toFile ? expanded.value : { '': 'journal', journal: 'journal', null: 'null', inherit: 'inherit' }[expanded.value];
    if (where === undefined) return { why: `"${value}" is not there: its output goes to the journal` };
    // Standard output that is inherited is standard input's, which is /dev/null.
    draft.settings.set(key, [key === 'output' && where === 'inherit' ? 'null' : where]);
    return null;
  };
}

function environmentFile(value: string, draft: Draft, { expand }: DraftContext): Complaint | null {
  if (value === '') return takeBack(draft.settings, 'environment-files');
  const expanded = expand(value);
  if (!expanded.ok) return { why: expanded.failure.message };
  const path = expanded.value.replace(/^-/, '');
  if (!path.startsWith('/')) return { why: `"${value}" is not an absolute path` };
  if (/[*?[]/.test(path)) return { why: `"${value}" is a pattern; name each file` };
  draft.settings.set('environment-files', [...(draft.settings.get('environment-files') ?? []), expanded.value]);
  return null;
}

const readAssignment: Read = (word) => (/^[A-Za-z_][A-Za-z0-9_]*=/.test(word) ? word : null);
const readWorkingDirectory: Read = (path) => (/^-?(\/|~$)/.test(path) ? path : null);

function pidFile(value: string, draft: Draft, { expand, bases }: DraftContext): Complaint | null {
  if (value === '') return takeBack(draft.settings, 'pid-file');
  const expanded = expand(value);
  if (!expanded.ok) return { why: expanded.failure.message };
  const path = expanded.value;
  draft.settings.set('pid-file', [path.startsWith('/') ? path : `${bases['RuntimeDirectory'] ?? '/run'}/${path}`]);
  return null;
}

/** RuntimeDirectory= and its kin: names below a base directory, never above it. */
function directory(option: string): Directive {
  return (value, draft, { expand }) => {
    if (value === '') return takeBack(draft.directories, option);
    const split = splitQuoted(value);
    if (!split.ok) return { why: split.failure.message };
    const names: string[] = [];
    for (const word of split.value) {
      const expanded = expand(word);
      const name = expanded.ok ? expanded.value : '';
      if (name === '' || name.startsWith('/') || name.split('/').includes('..')) return { why: `"${word}" is not a relative path` };
      names.push(name);
    }
    draft.directories.set(option, [...(draft.directories.get(option) ?? []), ...names]);
    return null;
  };
}

const directoryMode = (option: string): Directive => (value, draft) => {
  if (readMode(value) === null) return { why: `"${value}" is not a file mode` };
  draft.directoryModes.set(option, value);
  return null;
};

function timeoutSec(value: string, draft: Draft, context: DraftContext): Complaint | null {
  return limit('timeout-start-us')(value, draft, context) ?? limit('timeout-stop-us')(value, draft, context);
}

/** systemd.service(5) "Type=": `idle` only waits for other jobs, of which there are none here. */
function serviceType(value: string, draft: Draft, context: DraftContext): Complaint | null {
  if (value === 'idle') return serviceType('simple', draft, context);
  if (value === 'dbus') return { why: 'Type=dbus needs systemd; use Type=notify or Type=simple', fatal: true };
  return choice('type', ['simple', 'exec', 'oneshot', 'notify', 'forking'])(value, draft, context);
}

/** Options without which a unit would run with more rights, or another program, than it asked for. */
function refuse(unless: Read, why: string): Directive {
  return (value) => (value === '' || unless(value) !== null ? null : { why, fatal: true });
}
const isNo: Read = (value) => (readBoolean(value) === 'no' ? value : null);

const resources = [
  'CPU', 'FSIZE', 'DATA', 'STACK', 'CORE', 'RSS', 'NOFILE', 'AS', 'NPROC', 'MEMLOCK', 'LOCKS', 'SIGPENDING', 'MSGQUEUE', 'NICE', 'RTPRIO',
  'RTTIME',
];
const directoryOptions = ['RuntimeDirectory', 'StateDirectory', 'CacheDirectory', 'LogsDirectory', 'ConfigurationDirectory'];

const startLimits: Readonly<Record<string, Directive>> = {
  StartLimitIntervalSec: span('limit-interval-us'),
  StartLimitInterval: span('limit-interval-us'),
  StartLimitBurst: integer('limit-burst', 0, 1_000_000),
};

/** What is honoured in [Unit]. */
export const unitDirectives: Readonly<Record<string, Directive>> = {
  Description(value, draft, { expand }) {
    const expanded = expand(value);
    draft.description = expanded.ok ? expanded.value : value;
    return null;
  },
  Documentation: () => null,
  ...startLimits,
};

/** What is honoured in [Service]. */
export const serviceDirectives: Readonly<Record<string, Directive>> = {
  Type: serviceType,
  ExecCondition: exec('condition'),
  ExecStartPre: exec('start-pre'),
  ExecStart: exec('start'),
  ExecStartPost: exec('start-post'),
  ExecReload: exec('reload'),
  ExecStop: exec('stop'),
  ExecStopPost: exec('stop-post'),
  RemainAfterExit: flag('remain-after-exit'),
  GuessMainPID: flag('guess-main-pid'),
  PIDFile: pidFile,
  Restart: choice('restart', ['no', 'on-success', 'on-failure', 'on-abnormal', 'on-watchdog', 'on-abort', 'always']),
  RestartSec: span('restart-us'),
  ...startLimits,
  SuccessExitStatus: statuses('success'),
  RestartPreventExitStatus: statuses('prevent-restart'),
  RestartForceExitStatus: statuses('force-restart'),
  TimeoutStartSec: limit('timeout-start-us'),
  TimeoutStopSec: limit('timeout-stop-us'),
  TimeoutSec: timeoutSec,
  RuntimeMaxSec: span('runtime-max-us'),
  WatchdogSec: span('watchdog-us'),
  WatchdogSignal: signal('watchdog-signal'),
  NotifyAccess: choice('notify-access', ['none', 'main', 'exec', 'all']),
  KillMode: choice('kill-mode', ['control-group', 'mixed', 'process', 'none']),
  KillSignal: signal('kill-signal'),
  RestartKillSignal: signal('restart-kill-signal'),
  FinalKillSignal: signal('final-kill-signal'),
  SendSIGKILL: flag('send-sigkill'),
  SendSIGHUP: flag('send-sighup'),
  Environment: list('environment', readAssignment, 'an assignment'),
  EnvironmentFile: environmentFile,
  PassEnvironment: words('pass-environment'),
  UnsetEnvironment: words('unset-environment'),
  WorkingDirectory: one('working-directory', readWorkingDirectory, 'an absolute path or ~'),
  User: text('user'),
  Group: text('group'),
  SupplementaryGroups: words('supplementary-groups'),
  UMask: one('umask', readMode, 'a file mode'),
  Nice: integer('nice', -20, 19),
  OOMScoreAdjust: integer('oom-score-adjust', -1_000, 1_000),
  IgnoreSIGPIPE: flag('ignore-sigpipe'),
  NoNewPrivileges: flag('no-new-privileges'),
  StandardInput: (value) => (value === '' || value === 'null' ? null : { why: `"${value}" is not there: it is /dev/null` }),
  StandardOutput: output('output'),
  StandardError: output('error'),
  SyslogIdentifier: text('identifier'),
  ...Object.fromEntries(resources.map((resource) => [`Limit${resource}`, resourceLimit(resource)])),
  ...Object.fromEntries(directoryOptions.map((option) => [option, directory(option)])),
  ...Object.fromEntries(directoryOptions.map((option) => [`${option}Mode`, directoryMode(option)])),
};

/** What a unit is refused for in [Service]: without it, it would not be what it was written to be. */
export const refusedDirectives: Readonly<Record<string, Directive>> = {
  DynamicUser: refuse(isNo, 'DynamicUser=yes needs systemd: the unit would run as the user fleetd runs as; name a User='),
  RootDirectory: refuse((value) => (value === '/' ? value : null), 'RootDirectory= needs systemd: another program would be run'),
  RootImage: refuse(() => null, 'RootImage= needs systemd: another program would be run'),
};
