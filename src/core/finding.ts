/**
 * What a check of a unit file found: one line of text with its place. Promises: `message` needs no other context than
 * the file's name.
 */
import type { FailureCode } from './failure.ts';

export interface Finding {
  readonly code: FailureCode;
  /** Line of the unit file, from 1; 0 when it concerns no single line or the file came as a list of options. */
  readonly line: number;
  /** The offending text: a key, a section, a value; empty when something is missing. */
  readonly text: string;
  /** What is wrong and what to do, without the line. */
  readonly message: string;
}

/** A finding as people read it: `line 12: ...`. */
export function printFinding({ line, message }: Finding): string {
  return line === 0 ? message : `line ${line}: ${message}`;
}
