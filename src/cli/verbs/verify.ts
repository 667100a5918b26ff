/**
 * `fleetctl verify`: what is wrong with unit files, without submitting them.
 * Promises: the same checks as submit, offline; exit 1 when there is an error, 0 when there are warnings only.
 */
import { basename } from 'node:path';
import { expandBraces } from '../../core/braces.ts';
import { unitNameFromArgument } from '../../core/unit-name.ts';
import { complain, exitCodes, print, printJson } from '../session.ts';
import type { Session } from '../session.ts';
import { readUnitSource } from '../unit-source.ts';

/** What was found in one file. */
interface Report {
  readonly file: string;
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

export async function run(session: Session): Promise<number> {
  if (session.words.length === 0) {
    complain(session, 'No unit files given');
    return exitCodes.usage;
  }
  const reports: Report[] = [];
  for (const word of session.words) {
    const files = expandBraces(word);
    if (!files.ok) reports.push({ file: word, errors: [files.failure.message], warnings: [] });
    else for (const file of files.value) reports.push(await verifyFile(session, file));
  }
  if (session.flags.text('output') === 'json') printJson(session, reports);
  else for (const report of reports) for (const line of [...report.errors, ...report.warnings]) print(session, line);
  return reports.some((report) => report.errors.length > 0) ? exitCodes.failed : exitCodes.done;
}

async function verifyFile(session: Session, file: string): Promise<Report> {
  const name = unitNameFromArgument(file);
  if (!name.ok) return { file, errors: [`${file}: error: ${name.failure.message}`], warnings: [] };
  // fleet adds ".service" to the names of units and of their files alike.
  const path = file.endsWith(name.value) ? file : `${file.slice(0, file.length - basename(file).length)}${name.value}`;
  const source = await readUnitSource(session.environment, path, name.value);
  if (source.kind === 'absent') return { file, errors: [`${path}: error: there is no such file`], warnings: [] };
  return { file, errors: source.kind === 'wrong' ? source.errors : [], warnings: source.warnings };
}
