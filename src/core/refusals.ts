/**
 * Units that systemd reads and then refuses to load, whatever the machine: found before they are sent to one.
 * Promises: a finding here means LoadState=bad-setting on systemd 252, by the checks that end in "Refusing." in its
 * sources; a machine's own drop-ins for the unit are not known here.
 */
import type { Finding } from './finding.ts';
import { allValues, lastValue } from './unit-file.ts';
import type { UnitFile } from './unit-file.ts';
import { unitNameParts } from './unit-name.ts';
import type { UnitName, UnitType } from './unit-name.ts';

/** Types whose unit does nothing without one of some keys: the section, the keys, and how to say it. */
interface NeededKeys {
  readonly section: string;
  readonly keys: RegExp;
  readonly example: string;
}

const neededKeys: Partial<Record<UnitType, NeededKeys>> = {
  socket: { section: 'Socket', keys: /^Listen/, example: 'a Listen option such as ListenStream=' },
  timer: { section: 'Timer', keys: /^On/, example: 'a time such as OnCalendar= or OnBootSec=' },
  path: { section: 'Path', keys: /^(Path|DirectoryNotEmpty$)/, example: 'a path such as PathExists=' },
  mount: { section: 'Mount', keys: /^What$/, example: 'What=' },
};

const serviceTypes: ReadonlySet<string> = new Set(['simple', 'exec', 'forking', 'oneshot', 'dbus', 'notify', 'idle']);
const yes: ReadonlySet<string> = new Set(['1', 'yes', 'y', 'true', 't', 'on']);

/** Why systemd would refuse the unit; empty when it would not. */
export function findRefusals(name: UnitName, file: UnitFile): readonly Finding[] {
  const { type } = unitNameParts(name);
  if (type === 'service') return serviceRefusals(file);
  const needed = neededKeys[type];
  if (needed === undefined) return [];
  const own = file.options.filter((option) => option.section === needed.section && option.value !== '');
  if (own.some((option) => needed.keys.test(option.name))) return [];
  return [refusal(`[${needed.section}] needs ${needed.example}`)];
}

function refusal(message: string, line = 0, text = ''): Finding {
  return { code: 'UNIT_FILE_INVALID', line, text, message: `${message}; systemd would refuse to load the unit` };
}

/** The checks of systemd's service_verify() that need only the file. */
function serviceRefusals(file: UnitFile): readonly Finding[] {
  const starts = allValues(file, 'Service', 'ExecStart');
  const stops = allValues(file, 'Service', 'ExecStop');
  const hasSuccessAction = (lastValue(file, 'Unit', 'SuccessAction') ?? 'none') !== 'none';
  if (starts.length === 0 && stops.length === 0 && !hasSuccessAction) return [refusal('[Service] has no ExecStart=')];
  const type = serviceType(file);
  const findings: Finding[] = [];
  if (starts.length === 0 && type !== 'oneshot') {
    findings.push(refusal(`[Service] has no ExecStart=, which only Type=oneshot allows, not Type=${type}`));
  }
  const remains = yes.has((lastValue(file, 'Service', 'RemainAfterExit') ?? 'no').toLowerCase());
  if (starts.length === 0 && type === 'oneshot' && !remains && !hasSuccessAction) {
    findings.push(refusal('[Service] has no ExecStart=, which needs RemainAfterExit=yes'));
  }
  if (starts.length > 1 && type !== 'oneshot') {
    const message = '[Service] has more than one ExecStart=, which only Type=oneshot allows';
    findings.push(refusal(message, lineOf(file, 'ExecStart'), starts.at(-1)));
  }
  const restart = lastValue(file, 'Service', 'Restart') ?? 'no';
  if (type === 'oneshot' && (restart === 'always' || restart === 'on-success')) {
    findings.push(refusal(`Restart=${restart} cannot be used with Type=oneshot`, lineOf(file, 'Restart'), restart));
  }
  if (type === 'dbus' && lastValue(file, 'Service', 'BusName') === null) {
    findings.push(refusal('Type=dbus needs BusName=', lineOf(file, 'Type'), type));
  }
  return findings;
}

/**
 * The service's type as systemd finds it (systemd.service(5), Type=); a word it does not know leaves the one before it.
 */
function serviceType(file: UnitFile): string {
  const given = allValues(file, 'Service', 'Type').findLast((word) => serviceTypes.has(word));
  if (given !== undefined) return given;
  if (lastValue(file, 'Service', 'BusName') !== null) return 'dbus';
  return allValues(file, 'Service', 'ExecStart').length > 0 ? 'simple' : 'oneshot';
}

/** The line of the last assignment of a key in [Service]. */
function lineOf(file: UnitFile, key: string): number {
  return file.options.findLast((option) => option.section === 'Service' && option.name === key)?.line ?? 0;
}
