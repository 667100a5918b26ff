/**
 * Unit texts that come with requests: parsed, made canonical, checked for the unit they are for.
 * Promises: a text is read once, however many units of a request share it; every error of a file is named.
 */
import { failure, success, type Result } from '../../core/failure.ts';
import { printFinding } from '../../core/finding.ts';
import { parseStoredFleetSection } from '../../core/fleet-section.ts';
import { limits } from '../../core/limits.ts';
import { parseUnitFile, printUnitFile, type UnitFile } from '../../core/unit-file.ts';
import { hashUnitFile } from '../../core/unit-hash.ts';
import type { FileHash } from '../../core/unit.ts';
import type { UnitName } from '../../core/unit-name.ts';
import { verifyUnitFile } from '../../core/verify.ts';
import { poolsNamed } from './named-pools.ts';

/** A text read once, however many units of a request share it. */
export interface Content {
  readonly hash: FileHash;
  /** Canonical text. */
  readonly text: string;
  readonly file: UnitFile;
}

/** What the answer says of a unit's file. */
export interface FileFacts {
  readonly global: boolean;
  readonly warnings: readonly string[];
  /** Pools of ports that it names. */
  readonly pools: readonly string[];
}

/** Checks content for a unit; `lenient` asks only for a section that makes sense. */
export function checkContent(name: UnitName, file: UnitFile, lenient: boolean): Result<FileFacts> {
  const { errors, warnings } = lenient ? { errors: [], warnings: [] } : verifyUnitFile(name, file);
  const [first] = errors;
  if (first !== undefined) return failure(first.code, errors.map(printFinding).join(', '));
  const section = parseStoredFleetSection(name, file);
  if (!section.ok) return section;
  return success({ global: section.value.global, warnings: warnings.map(printFinding), pools: poolsNamed(section.value) });
}

/** Reads texts, each once. */
export function createContentReader(): (text: string) => Result<Content> {
  const known = new Map<string, Result<Content>>();
  return (text) => {
    let content = known.get(text);
    if (content === undefined) known.set(text, (content = readContent(text)));
    return content;
  };
}

/** Reads a text; fails when it is no unit file or too large. */
export function readContent(text: string): Result<Content> {
  const parsed = parseUnitFile(text);
  if (!parsed.ok) return parsed;
  const file = parsed.value;
  const canonical = printUnitFile(file);
  if (Buffer.byteLength(canonical) > limits.unitFileBytesMax) {
    return failure('UNIT_FILE_TOO_LARGE', `the unit file is larger than ${limits.unitFileBytesMax} bytes`);
  }
  return success({ hash: hashUnitFile(file), text: canonical, file });
}
