/**
 * The name of a unit file's content.
 * Promises: the hash of fleet 1.0. A file of its own, because cryptography takes longer to load than most commands run.
 */
import { createHash } from 'node:crypto';
import { printUnitFile } from './unit-file.ts';
import type { UnitFile } from './unit-file.ts';
import type { FileHash } from './unit.ts';

/** SHA-1 of the canonical text, as fleet 1.0 shows it under HASH. */
export function hashUnitFile(file: UnitFile): FileHash {
  return createHash('sha1').update(printUnitFile(file), 'utf8').digest('hex') as FileHash;
}
