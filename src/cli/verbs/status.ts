/**
 * `fleetctl status`: what systemctl says about units, on whatever machines they are.
 * Promises: one block for each machine, a blank line between blocks; the exit code is the highest of all.
 */
import type { StatusReport } from '../../protocol/v2.ts';
import { machineLabel } from '../columns.ts';
import { pickUnits, readUnitArguments } from '../names.ts';
import type { UnitArgument } from '../names.ts';
import { complain, exitCodes, printJson } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  const read = readUnitArguments(session.words);
  if (!read.ok) {
    complain(session, read.failure.message);
    return exitCodes.failed;
  }
  let code: number = exitCodes.done;
  let isFirst = true;
  const reports: StatusReport[] = [];
  for (const name of await namesOf(session, read.value)) {
    const report = await session.client.status(name, session.environment.interrupted);
    if (report === null || report.blocks.length === 0) {
      complain(
        session,
        report === null ? `Unit ${name} does not exist.` : `Unit ${name} does not appear to be loaded.`,
      );
      code = Math.max(code, exitCodes.failed);
      continue;
    }
    reports.push(report);
    code = Math.max(code, ...report.blocks.map((block) => block.exitStatus));
    if (session.flags.text('output') === 'json') continue;
    session.environment.stdout.write(`${isFirst ? '' : '\n'}${blocksOf(report)}`);
    isFirst = false;
  }
  if (session.flags.text('output') === 'json') printJson(session, reports);
  return code;
}

/** Patterns need the list of units; names alone do not. */
async function namesOf(session: Session, words: readonly UnitArgument[]): Promise<readonly string[]> {
  if (words.every((word) => word.kind === 'unit')) return words.map((word) => word.name);
  const { units } = await session.client.units(session.environment.interrupted);
  const { found, missing } = pickUnits(words, units, (unit) => unit.machines.length > 0);
  return [...found.map((unit) => unit.name), ...missing];
}

/** With several machines, each block is headed by the one it comes from: systemctl's text does not say. */
function blocksOf(report: StatusReport): string {
  const withHead = report.blocks.length > 1;
  return report.blocks
    .map((block) => {
      const head = withHead ? `Machine ${machineLabel({ id: block.machine, address: block.address })}\n` : '';
      return `${head}${block.text.replace(/\n*$/, '\n')}`;
    })
    .join('\n');
}
