/**
 * A unit's text as instructions for its keeper.
 * Promises: pure; what is not honoured is said, with its line; a unit that systemd would refuse, or that would be something
 * else without systemd, is refused in one line.
 */
import { failure, success } from '../../core/failure.ts';
import type { Result } from '../../core/failure.ts';
import { fenceDropInName } from '../../core/fence/drop-in.ts';
import { expandSpecifiers } from '../../core/specifiers.ts';
import type { MachineFacts } from '../../core/specifiers.ts';
import { joinedValue, parseUnitFile } from '../../core/unit-file.ts';
import type { UnitOption } from '../../core/unit-file.ts';
import { isTemplate, unitNameParts } from '../../core/unit-name.ts';
import type { RenderedUnit } from '../runner.ts';
import { refusedDirectives, serviceDirectives, unitDirectives } from './directives.ts';
import { newDraft, printInstructions, settingOf } from './draft.ts';
import type { Draft, DraftContext } from './draft.ts';
import { timeInfinity } from './values.ts';

/** An option that the supervisor does not do what it says for. `line` counts from 1 in the unit file, 0 in a drop-in. */
export interface NotHonoured {
  readonly section: string;
  readonly name: string;
  readonly line: number;
  /** What is wrong with its value; empty when the option as such is not honoured. */
  readonly why: string;
}

/** A unit ready to be run, and what to tell people about it. */
export interface Instructions {
  readonly text: string;
  readonly description: string;
  readonly notHonoured: readonly NotHonoured[];
  /** Longest time a stop may take by the unit's own settings, in milliseconds; Infinity without limit. */
  readonly stopMsMax: number;
}

/** What units are compiled for: this machine, and the base directories of this user. */
export interface CompileFacts {
  readonly machine: MachineFacts;
  /** Specifiers of the manager: %t, %S, %u ... */
  readonly more: Readonly<Record<string, string>>;
  /** Base directory by option: RuntimeDirectory, StateDirectory ... */
  readonly bases: Readonly<Record<string, string>>;
}

/** Compiles a unit. Fails with one line for people when it cannot be run here. */
export function compileUnit(unit: RenderedUnit, facts: CompileFacts): Result<Instructions> {
  const { type } = unitNameParts(unit.name);
  if (type !== 'service') {
    return failure('UNIT_OPTION_INVALID', `${unit.name}: this machine runs units without systemd, which takes services only, no ${type}`);
  }
  if (isTemplate(unit.name)) return failure('UNIT_IS_TEMPLATE', `${unit.name} is a template; start an instance of it`);
  const options = readOptions(unit);
  if (!options.ok) return failure('UNIT_FILE_INVALID', `${unit.name}: ${options.failure.message}`);
  const { machine, more, bases } = facts;
  const context: DraftContext = { bases, expand: (text) => expandSpecifiers(text, { name: unit.name, machine, more }) };
  const draft = newDraft();
  const applied = applyOptions(options.value, draft, context);
  if (!applied.ok) return failure('UNIT_OPTION_INVALID', `${unit.name}: ${applied.failure.message}`);
  const why = settle(draft);
  if (why !== null) return failure('UNIT_OPTION_INVALID', `${unit.name}: ${why}`);
  addDirectories(draft, bases);
  const fence = fenceOf(unit);
  if (fence !== null) draft.settings.set('fence', [fence]);
  draft.settings.set('name', [unit.name]).set('hash', [unit.hash]).set('rendered', [unit.renderedHash]);
  return success({
    text: printInstructions(draft), description: draft.description, notHonoured: applied.value, stopMsMax: stopMsMax(draft),
  });
}

const isHonoured = ({ section, name }: UnitOption): boolean => section === 'Service' && Object.hasOwn(serviceDirectives, name);

/** The options of the file, then those of its drop-ins in the order of their names (systemd.unit(5)). */
function readOptions(unit: RenderedUnit): Result<readonly UnitOption[]> {
  const file = parseUnitFile(unit.text);
  if (!file.ok) return file;
  const options = [...file.value.options];
  for (const name of Object.keys(unit.dropIns).sort()) {
    const dropIn = parseUnitFile(unit.dropIns[name] ?? '');
    if (!dropIn.ok) return failure(dropIn.failure.code, `${name}: ${dropIn.failure.message}`);
    // What fleet adds for systemd alone is no news for people.
    const read = name === fenceDropInName ? dropIn.value.options.filter(isHonoured) : dropIn.value.options;
    options.push(...read.map((option) => ({ ...option, line: 0 })));
  }
  return success(options);
}

function applyOptions(options: readonly UnitOption[], draft: Draft, context: DraftContext): Result<readonly NotHonoured[]> {
  const notHonoured: NotHonoured[] = [];
  for (const { section, name, value, line } of options) {
    // [Install] tells when systemd starts a unit; here fleet does. "X-" is for others.
    if (section === 'Install' || section.startsWith('X-') || name.startsWith('X-')) continue;
    const honoured = section === 'Unit' ? unitDirectives : section === 'Service' ? serviceDirectives : {};
    const refused = section === 'Service' ? refusedDirectives : {};
    const directive = Object.hasOwn(honoured, name) ? honoured[name] : Object.hasOwn(refused, name) ? refused[name] : undefined;
    if (directive === undefined) {
      notHonoured.push({ section, name, line, why: '' });
      continue;
    }
    const complaint = directive(joinedValue(value), draft, context);
    if (complaint?.fatal === true) return failure('UNIT_OPTION_INVALID', `line ${line}: ${name}=: ${complaint.why}`);
    if (complaint !== null) notHonoured.push({ section, name, line, why: complaint.why });
  }
  return success(notHonoured);
}

/** systemd's defaults (systemd.service(5), systemd-system.conf(5)), each set only where the unit says nothing. */
const defaults: Readonly<Record<string, string>> = {
  restart: 'no', 'restart-us': '100000', 'limit-interval-us': '10000000', 'limit-burst': '5', 'timeout-stop-us': '90000000',
  'runtime-max-us': timeInfinity, 'watchdog-us': '0', 'kill-mode': 'control-group', 'kill-signal': '15', 'restart-kill-signal': '0',
  'final-kill-signal': '9', 'watchdog-signal': '6', 'send-sigkill': 'yes', 'send-sighup': 'no', 'remain-after-exit': 'no',
  'guess-main-pid': 'yes', 'ignore-sigpipe': 'yes', 'no-new-privileges': 'no', umask: '18', identifier: '', output: 'journal',
  error: 'inherit',
};

/** Fills in what the unit leaves open; answers with systemd's reason to refuse it, else null. */
function settle(draft: Draft): string | null {
  const { settings, commands } = draft;
  const starts = commands.get('start')?.length ?? 0;
  const set = (key: string, value: string): void => {
    if (!settings.has(key)) settings.set(key, [value]);
  };
  set('type', starts === 0 ? 'oneshot' : 'simple');
  for (const [key, value] of Object.entries(defaults)) set(key, value);
  const type = settingOf(draft, 'type');
  set('timeout-start-us', type === 'oneshot' ? timeInfinity : '90000000');
  const listens = type === 'notify' || settingOf(draft, 'watchdog-us') !== '0';
  const access = settingOf(draft, 'notify-access');
  if (listens && (access === '' || access === 'none')) settings.set('notify-access', ['main']);
  set('notify-access', 'none');
  return whyRefused(draft, type, starts);
}

function whyRefused(draft: Draft, type: string, starts: number): string | null {
  const restart = settingOf(draft, 'restart');
  if (starts === 0 && type !== 'oneshot') return `it has no ExecStart=, which only Type=oneshot may do without`;
  const remains = settingOf(draft, 'remain-after-exit') === 'yes';
  if (starts === 0 && !remains && !draft.commands.has('stop')) return 'it has neither ExecStart= nor ExecStop=';
  if (starts > 1 && type !== 'oneshot') return 'it has more than one ExecStart=, which only Type=oneshot may have';
  if (type === 'oneshot' && (restart === 'always' || restart === 'on-success')) {
    return `Restart=${restart} is not allowed for Type=oneshot: it would never end`;
  }
  return null;
}

function stopMsMax(draft: Draft): number {
  const microseconds = settingOf(draft, 'timeout-stop-us');
  return microseconds === timeInfinity ? Infinity : Number(microseconds) / 1_000;
}

/** The file with the moment of the unit's fence, as seen from the unit's own directory; null when it is not fenced. */
function fenceOf({ dropIns }: RenderedUnit): string | null {
  const lostAfterMs = /^BindsTo=fleet-fence-(\d{1,9})\.service$/m.exec(dropIns[fenceDropInName] ?? '')?.[1];
  return lostAfterMs === undefined ? null : `../../fences/${lostAfterMs}`;
}

/** RuntimeDirectory= and its kin: what to make, and the variables that name it (systemd.exec(5)). */
function addDirectories(draft: Draft, bases: Readonly<Record<string, string>>): void {
  const made: string[] = [];
  const variables: string[] = [];
  for (const [option, names] of draft.directories) {
    const paths = names.map((name) => `${bases[option] ?? '/run'}/${name}`);
    made.push(...paths.map((path) => `${draft.directoryModes.get(option) ?? '0755'} ${path}`));
    variables.push(`${option.replace('Directory', '_DIRECTORY').toUpperCase()}=${paths.join(':')}`);
  }
  if (made.length === 0) return;
  draft.settings.set('directories', made);
  draft.settings.set('environment', [...variables, ...(draft.settings.get('environment') ?? [])]);
}
