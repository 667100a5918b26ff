/**
 * The part of org.freedesktop.systemd1(5) that fleet uses, with types.
 * Promises: one method here is one call to systemd (or one for each chunk of a long list); answers are checked for their
 * shape, because what comes from a socket is not yet of any type.
 */
import { assert } from '../../core/failure.ts';
import type { UnitName } from '../../core/unit-name.ts';
import { BusError } from './bus-connection.ts';
import type { BusLink } from './bus-link.ts';

/** Reload reads every unit file of the machine again before it answers: 30 s with 16,000 units. */
const RELOAD_MS_MAX = 180_000;
/** Names in one call: systemd does nothing else while it answers. */
const NAMES_PER_CALL = 500;

/** A row of ListUnitsByNames, without what fleet does not look at. */
export interface ListedUnit {
  readonly name: UnitName;
  readonly load: string;
  readonly active: string;
  readonly sub: string;
  /** The job that waits or runs for it: "start", "stop", "restart" …; '' when there is none. */
  readonly jobType: string;
  readonly jobPath: string;
}

/** A property as it comes: a number, a string, a truth value; anything else is not asked for. */
export type PropertyValue = string | number | boolean;

export interface SystemdManager {
  /** Each named unit; systemd loads for it those that it has not loaded, from their files. */
  listUnitsByNames(names: readonly UnitName[], signal: AbortSignal): Promise<readonly ListedUnit[]>;
  /** Properties of one unit, in the order of `properties`. */
  unitProperties(name: UnitName, properties: readonly UnitProperty[], signal: AbortSignal): Promise<readonly PropertyValue[]>;
  /** Whether systemd has loaded the unit. */
  isLoaded(name: UnitName, signal: AbortSignal): Promise<boolean>;
  /** Whether the files of a unit have changed since systemd loaded it; systemd loads one that it has not loaded. */
  isOutdated(name: UnitName, signal: AbortSignal): Promise<boolean>;
  /** Directories systemd reads unit files from, first one first. */
  unitPath(signal: AbortSignal): Promise<readonly string[]>;
  /** Links unit files into systemd's run-time directory, over links that are there. */
  linkUnitFiles(paths: readonly string[], signal: AbortSignal): Promise<void>;
  /** Makes the links that [Install] asks for, in the run-time directory. */
  enableUnitFiles(paths: readonly string[], signal: AbortSignal): Promise<void>;
  /** Removes all links of these units from the run-time directory. */
  disableUnitFiles(names: readonly string[], signal: AbortSignal): Promise<void>;
  startUnit(name: UnitName, signal: AbortSignal): Promise<void>;
  restartUnit(name: UnitName, signal: AbortSignal): Promise<void>;
  stopUnit(name: UnitName, signal: AbortSignal): Promise<void>;
  resetFailedUnit(name: UnitName, signal: AbortSignal): Promise<void>;
  reload(signal: AbortSignal): Promise<void>;
}

/** A property and the interface it belongs to. */
export interface UnitProperty {
  readonly interface: string;
  readonly property: string;
}

const destination = 'org.freedesktop.systemd1';
const managerPath = '/org/freedesktop/systemd1';
export const managerInterface = 'org.freedesktop.systemd1.Manager';
export const unitInterface = 'org.freedesktop.systemd1.Unit';
/** The error systemd answers with for a unit it has not loaded. */
export const noSuchUnit = 'org.freedesktop.systemd1.NoSuchUnit';

/** The interface of a unit's own type: "org.freedesktop.systemd1.Service" for "app.service". */
export function typeInterface(name: UnitName): string {
  const type = name.slice(name.lastIndexOf('.') + 1);
  return `org.freedesktop.systemd1.${type.charAt(0).toUpperCase()}${type.slice(1)}`;
}

/** The object path of a unit: all but letters and digits escaped, a leading digit too (sd_bus_path_encode(3)). */
export function unitObjectPath(name: UnitName): string {
  const escaped = name.replace(/[^A-Za-z0-9]|^\d/g,
    (character) => `_${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return `${managerPath}/unit/${escaped}`;
}

/** The value inside a variant as the decoder leaves it: [type tree, [value]]. */
export function variantValue(variant: unknown): unknown {
  assert(Array.isArray(variant) && Array.isArray(variant[1]), 'a D-Bus variant is a type and a value');
  return (variant[1] as readonly unknown[])[0];
}

export function createSystemdManager(link: BusLink): SystemdManager {
  const call = (member: string, signature: string, body: readonly unknown[]) => (signal: AbortSignal) =>
    link.call({ destination, path: managerPath, interface: managerInterface, member, signature, body }, signal);
  const get = async (path: string, { interface: of, property }: UnitProperty, signal: AbortSignal): Promise<unknown> => {
    const [value] = await link.call({
      destination, path, interface: 'org.freedesktop.DBus.Properties', member: 'Get', signature: 'ss', body: [of, property],
    }, signal);
    return variantValue(value);
  };
  const forget = async (answer: Promise<unknown>): Promise<void> => {
    await answer;
  };
  const job = (member: string) => (name: UnitName, signal: AbortSignal): Promise<void> =>
    forget(call(member, 'ss', [name, 'replace'])(signal));

  return {
    async listUnitsByNames(names, signal) {
      const chunks = Array.from({ length: Math.ceil(names.length / NAMES_PER_CALL) },
        (_, index) => names.slice(index * NAMES_PER_CALL, (index + 1) * NAMES_PER_CALL));
      const answers = await Promise.all(chunks.map((chunk) => call('ListUnitsByNames', 'as', [chunk])(signal)));
      return answers.flatMap(([rows]) => (rows as readonly string[][]).map(
        ([name = '', , load = '', active = '', sub = '', , , , jobType = '', jobPath = '']) =>
          ({ name: name as UnitName, load, active, sub, jobType, jobPath })));
    },
    async unitProperties(name, properties, signal) {
      const path = unitObjectPath(name);
      return Promise.all(properties.map(async (wanted) => (await get(path, wanted, signal)) as PropertyValue));
    },
    async isLoaded(name, signal) {
      try {
        await call('GetUnit', 's', [name])(signal);
        return true;
      } catch (error) {
        if (error instanceof BusError && error.errorName === noSuchUnit) return false;
        throw error;
      }
    },
    isOutdated: async (name, signal) =>
      (await get(unitObjectPath(name), { interface: unitInterface, property: 'NeedDaemonReload' }, signal)) === true,
    unitPath: async (signal) =>
      (await get(managerPath, { interface: managerInterface, property: 'UnitPath' }, signal)) as readonly string[],
    linkUnitFiles: (paths, signal) => forget(call('LinkUnitFiles', 'asbb', [paths, true, true])(signal)),
    enableUnitFiles: (paths, signal) => forget(call('EnableUnitFiles', 'asbb', [paths, true, true])(signal)),
    disableUnitFiles: (names, signal) => forget(call('DisableUnitFiles', 'asb', [names, true])(signal)),
    startUnit: job('StartUnit'),
    restartUnit: job('RestartUnit'),
    stopUnit: job('StopUnit'),
    resetFailedUnit: (name, signal) => forget(call('ResetFailedUnit', 's', [name])(signal)),
    reload: (signal) => forget(link.call({
      destination, path: managerPath, interface: managerInterface, member: 'Reload', waitMsMax: RELOAD_MS_MAX,
    }, signal)),
  };
}
