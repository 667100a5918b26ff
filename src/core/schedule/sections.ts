/**
 * The [X-Fleet] sections of units, read once for each unit and file.
 * Promises: the answer depends on the arguments alone; what is remembered dies with the file it was read from.
 */
import type { ClusterSnapshot, KnownFile } from '../cluster.ts';
import { failure } from '../failure.ts';
import type { Result } from '../failure.ts';
import { noOptions, parseStoredFleetSection } from '../fleet-section.ts';
import type { FleetSection } from '../fleet-section.ts';
import type { FileHash } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';

/** Reads the section of `name` from the file with that hash; fails when the snapshot lacks the file or it is wrong. */
export type SectionReader = (files: ClusterSnapshot['files'], name: UnitName, hash: FileHash) => Result<FleetSection>;

/** A reader that remembers: keep one for as long as snapshots of one cluster are looked at. */
export function createSectionReader(): SectionReader {
  const read = new WeakMap<KnownFile, Map<UnitName, Result<FleetSection>>>();
  return (files, name, hash) => {
    const known = files.get(hash);
    if (known === undefined) {
      return failure('UNIT_FILE_INVALID', `the store has no unit file ${hash.slice(0, 7)}; submit ${name} again`);
    }
    let sections = read.get(known);
    if (sections === undefined) read.set(known, sections = new Map());
    let section = sections.get(name);
    if (section === undefined) sections.set(name, section = parseStoredFleetSection(name, known.file));
    return section;
  };
}
