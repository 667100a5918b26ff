/**
 * Sections and keys that systemd knows, from data/unit-keys.json (written by tools/renew-unit-keys.ts).
 * Promises: nothing here decides what is allowed; a newer systemd knows more, so a missing key is only worth a warning.
 */
import data from './data/unit-keys.json' with { type: 'json' };

const sections: ReadonlyMap<string, ReadonlySet<string>> =
  new Map(Object.entries(data.sections).map(([section, keys]) => [section, new Set(keys)]));

/** Section names systemd reads in unit files of any type. */
export const systemdSections: readonly string[] = [...sections.keys()];

/** The keys of a section; undefined when systemd knows no such section. */
export function keysOfSection(section: string): ReadonlySet<string> | undefined {
  return sections.get(section);
}

/** The sections that have a key. */
export function sectionsOfKey(key: string): readonly string[] {
  return systemdSections.filter((section) => sections.get(section)?.has(key));
}
