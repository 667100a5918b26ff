/**
 * What failed in a run of node:test, told in few lines: the reports of the run before it are long, and what counts is at their end.
 * Promises: the first failures first; a test that only failed because a test in it did is none of them.
 */

/** A test that failed by itself. */
export interface Failure {
  readonly name: string;
  /** Where it stands, as file:line:column; empty when the report does not say. */
  readonly location: string;
  /** What it said, lines of it. */
  readonly error: readonly string[];
}

/** The failures in a report in the Test Anything Protocol as node:test writes it, in the order of their ends. */
export function failuresIn(tap: string): readonly Failure[] {
  const lines = tap.split('\n');
  return lines.flatMap((line, index) => {
    const [, indent, name] = /^( *)not ok \d+ - (.*)$/.exec(line) ?? [];
    if (indent === undefined || name === undefined) return [];
    const end = lines.indexOf(`${indent}  ...`, index);
    const details = lines.slice(index + 1, end === -1 ? index + 1 : end).map((detail) => detail.slice(indent.length + 2));
    return fieldOf(details, 'failureType')[0] === 'subtestsFailed'
      ? [] : [{ name, location: fieldOf(details, 'location')[0] ?? '', error: fieldOf(details, 'error') }];
  });
}

/** The lines of a field of the YAML block; none when it is not there. */
function fieldOf(details: readonly string[], name: string): readonly string[] {
  const at = details.findIndex((line) => line.startsWith(`${name}: `));
  const value = details[at]?.slice(name.length + 2);
  if (value === undefined) return [];
  if (!value.startsWith('|')) return [value.replace(/^(['"])(.*)\1$/, '$2')];
  const after = details.slice(at + 1);
  const end = after.findIndex((line) => line !== '' && !line.startsWith('  '));
  return after.slice(0, end === -1 ? after.length : end).map((line) => line.slice(2));
}

/**
 * The test files in which they stand, each once. A failure of something else, the shared cluster that a failed test has spoiled for
 * example, is taken for what came of those.
 */
export function filesOf(failures: readonly Failure[]): readonly string[] {
  const files = failures.flatMap(({ location }) => /^(.+\.test\.ts):\d+:\d+$/.exec(location)?.[1] ?? []);
  return [...new Set(files)];
}

/** The first of the failures, each with the first lines of what it said; '' for none. */
export function describeFailures(failures: readonly Failure[], { failuresMax, linesMax }: { readonly failuresMax: number; readonly linesMax: number }): string {
  if (failures.length === 0) return '';
  const told = failures.slice(0, failuresMax).map(({ name, location, error }) => {
    const cut = error.length > linesMax ? [...error.slice(0, linesMax), `(${String(error.length - linesMax)} more lines above)`] : error;
    return [`- ${name}${location === '' ? '' : ` (${location})`}`, ...cut.map((line) => `    ${line}`)].join('\n');
  });
  const rest = failures.length - told.length;
  return `${told.join('\n')}\n${rest > 0 ? `and ${String(rest)} more\n` : ''}`;
}
