/** Unit files as systemd.syntax(7) has them: text to options and back. */
import type { Result } from './failure.ts';
import type { FileHash } from './unit.ts';

/** One `Key=Value` line (continuation lines joined as the original keeps them). `line` counts from 1; 0 when made from an API request. */
export interface UnitOption {
  readonly section: string;
  readonly name: string;
  readonly value: string;
  readonly line: number;
}

/** A parsed unit file: its options in the order written. */
export interface UnitFile {
  readonly options: readonly UnitOption[];
}

export declare function parseUnitFile(text: string): Result<UnitFile>;
/** Canonical text: what `cat` prints and the hash is made of (compat.md section 2, cat). */
export declare function printUnitFile(file: UnitFile): string;
export declare function hashUnitFile(file: UnitFile): FileHash;
