/**
 * The [X-Fleet] sections of units, read once for each file, or for each unit of a file that speaks of its units' names.
 * Promises: the answer depends on the arguments alone; what is remembered dies with the file it was read from.
 */
import type { ClusterSnapshot, KnownFile } from '../cluster.ts';
import { failure } from '../failure.ts';
import type { Result } from '../failure.ts';
import { fleetSectionName, parseStoredFleetSection } from '../fleet-section.ts';
import type { FleetSection } from '../fleet-section.ts';
import type { FileHash } from '../unit.ts';
import type { UnitFile } from '../unit-file.ts';
import type { UnitName } from '../unit-name.ts';
import { isTemplate } from '../unit-name.ts';

/** Reads the section of `name` from the file with that hash; fails when the snapshot lacks the file or it is wrong. */
export type SectionReader = (files: ClusterSnapshot['files'], name: UnitName, hash: FileHash) => Result<FleetSection>;

/** What was read from one file. */
interface ReadFile {
  /** Whether the section says the same for all units of one type that are no templates. */
  readonly isShared: boolean;
  /** By type for such units, by name for others. */
  readonly sections: Map<string, Result<FleetSection>>;
}

/** A reader that remembers: keep one for as long as snapshots of one cluster are looked at. */
export function createSectionReader(): SectionReader {
  const read = new WeakMap<KnownFile, ReadFile>();
  return (files, name, hash) => {
    const known = files.get(hash);
    if (known === undefined) {
      return failure('UNIT_FILE_INVALID', `the store has no unit file ${hash.slice(0, 7)}; submit ${name} again`);
    }
    let ofFile = read.get(known);
    if (ofFile === undefined) read.set(known, ofFile = { isShared: isAlikeForAll(known.file), sections: new Map() });
    const key = ofFile.isShared && !isTemplate(name) ? name.slice(name.lastIndexOf('.')) : name;
    let section = ofFile.sections.get(key) ?? ofFile.sections.get(name);
    if (section === undefined) {
      section = parseStoredFleetSection(name, known.file);
      ofFile.sections.set(section.ok ? key : name, section);
    }
    return section;
  };
}

/** Specifiers speak of the unit's name, and MachineOf= must not name the unit itself. */
function isAlikeForAll({ options }: UnitFile): boolean {
  return options.every(({ section, name, value }) => section !== fleetSectionName || (!value.includes('%') && !name.endsWith('MachineOf')));
}
