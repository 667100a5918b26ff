/**
 * What is wrong or looks wrong in a unit file, before it is submitted: `fleetctl verify`, and what submit says.
 * Promises: an error means that fleet or systemd would refuse the unit; a warning never stops anything, because a newer
 * systemd may know what this table does not. Both name the line, the text and what was probably meant.
 */
import type { Finding } from './finding.ts';
import { checkFleetSection, fleetKeys, fleetSectionName, nearestFleetKey } from './fleet-section.ts';
import { limits } from './limits.ts';
import { findRefusals } from './refusals.ts';
import { nearest } from './spelling.ts';
import type { UnitFile, UnitOption } from './unit-file.ts';
import { keysOfSection, sectionsOfKey, systemdSections } from './unit-keys.ts';
import { unitNameParts } from './unit-name.ts';
import { findPortWarnings } from './verify-ports.ts';
import type { UnitName } from './unit-name.ts';

export interface Verification {
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/** Checks a file under the name it has or will have (a template's name for templates). */
export function verifyUnitFile(name: UnitName, file: UnitFile): Verification {
  const errors = [...checkFleetSection(name, file), ...findRefusals(name, file)];
  return { errors, warnings: [...findUnknown(name, file), ...findPortWarnings(name, file)].slice(0, limits.findingsMax) };
}

/** Sections and keys that systemd ignores: one warning for each line with a key, one for each section. */
function findUnknown(name: UnitName, file: UnitFile): readonly Finding[] {
  const readSections = sectionsFor(name);
  const reported = new Set<string>();
  const warnings: Finding[] = [];
  for (const option of file.options) {
    if (warnings.length === limits.findingsMax) break;
    if (option.section === fleetSectionName || reported.has(option.section)) continue;
    const why = whyUnknownSection(option.section, readSections);
    if (why !== null) {
      reported.add(option.section);
      warnings.push({ code: 'UNIT_FILE_INVALID', line: option.line, text: option.section, message: why });
    } else if (isUnknownKey(option)) {
      const message = whyUnknownKey(option, readSections);
      warnings.push({ code: 'UNIT_OPTION_UNKNOWN', line: option.line, text: option.name, message });
    }
  }
  return warnings;
}

/**
 * The sections systemd reads in a unit of this type: [Unit], [Install] and the type's own; targets and devices have no
 * own one.
 */
function sectionsFor(name: UnitName): readonly string[] {
  const { type } = unitNameParts(name);
  const own = type.charAt(0).toUpperCase() + type.slice(1);
  return ['Unit', ...(systemdSections.includes(own) ? [own] : []), 'Install'];
}

/** Whether systemd knows the section and not the key; "X-" keys are anybody's. */
function isUnknownKey({ section, name }: UnitOption): boolean {
  return keysOfSection(section)?.has(name) === false && !name.startsWith('X-');
}

/** Why systemd would ignore a section; null when it would not, or when it is somebody else's ("X-..."). */
function whyUnknownSection(section: string, readSections: readonly string[]): string | null {
  if (readSections.includes(section)) return null;
  if (systemdSections.includes(section)) {
    const read = readSections.map((each) => `[${each}]`).join(', ');
    return `[${section}] does nothing in this type of unit, which reads ${read} and [${fleetSectionName}]`;
  }
  const meant = nearest(section, [...readSections, fleetSectionName, fleetSectionName.slice('X-'.length)]);
  const suggestion = meant !== null && fleetSectionName.endsWith(meant) ? fleetSectionName : meant;
  if (suggestion !== null) return `there is no section [${section}]; did you mean [${suggestion}]?`;
  if (section.startsWith('X-')) return null;
  return `there is no section [${section}]; systemd ignores it (sections of your own start with "X-")`;
}

function whyUnknownKey({ section, name }: UnitOption, readSections: readonly string[]): string {
  const start = `[${section}] has no option ${JSON.stringify(name)}`;
  const homes = sectionsOfKey(name).filter((home) => readSections.includes(home));
  if (fleetKeys.includes(name)) homes.push(fleetSectionName);
  if (homes.length > 0) return `${start}; it belongs in ${homes.map((home) => `[${home}]`).join(' or ')}`;
  const near = nearest(name, keysOfSection(section) ?? []);
  if (near !== null) return `${start}; did you mean "${near}"?`;
  for (const other of readSections) {
    const elsewhere = nearest(name, keysOfSection(other) ?? []);
    if (elsewhere !== null) return `${start}; did you mean "${elsewhere}" in [${other}]?`;
  }
  const fleetKey = nearestFleetKey(name);
  if (fleetKey !== null) return `${start}; did you mean "${fleetKey}" in [${fleetSectionName}]?`;
  return `${start}; systemd ignores it (options of your own start with "X-")`;
}
