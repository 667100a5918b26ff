/**
 * What stop and unload have in common: take units that exist down to a state, and wait for it.
 * Promises: fleet 1.0's lines and codes: unknown names are passed over, units that are there already are left alone,
 * global units are triggered and not waited for; the last line on stderr names the units that were taken down.
 */
import { success } from '../core/failure.ts';
import type { Result } from '../core/failure.ts';
import type { ApplyAnswer, ApplyRequest, UnitView } from '../protocol/v2.ts';
import { goalOf } from './goal.ts';
import { pickUnits, readUnitArguments } from './names.ts';
import { waitAndReport } from './report.ts';
import { complain, exitCodes, print, whoAsks } from './session.ts';
import type { Session } from './session.ts';
import { inRequests } from './submission.ts';

/** Which verb this is, and the state it is about. */
export interface Lowering {
  readonly verb: 'stop' | 'unload';
  readonly done: 'stopped' | 'unloaded';
  readonly desired: 'loaded' | 'inactive';
}

/** Takes the units named by the words of the command down to a state. */
export async function lowerUnits(session: Session, lowering: Lowering): Promise<number> {
  const found = await findExisting(session);
  if (!found.ok) {
    complain(session, found.failure.message);
    return exitCodes.failed;
  }
  if (found.value === null) return exitCodes.done;
  const inactive = found.value.find((unit) => unit.desired === 'inactive');
  if (lowering.desired === 'loaded' && inactive !== undefined) {
    complain(session, `Unable to stop unit ${inactive.name} in state inactive`);
    return exitCodes.failed;
  }
  const above = found.value.filter((unit) => unit.desired !== lowering.desired);
  const answer = await applyInParts(session, above, { desired: lowering.desired });
  const noBlock = session.flags.isOn('no-block');
  for (const unit of answer.units) {
    if (unit.global) print(session, `Triggered global unit ${unit.name} ${lowering.verb}`);
    else if (noBlock) print(session, `Triggered unit ${unit.name} ${lowering.verb}`);
  }
  if (noBlock) return exitCodes.done;
  const goals = answer.units.filter((unit) => !unit.global).map((unit) => ({ ...goalOf(unit), nowhereIsFine: true }));
  const { exitCode, reached } = await waitAndReport(session, goals, answer.revision);
  if (exitCode !== exitCodes.interrupted)
    complain(session, `Successfully ${lowering.done} units [${reached.join(' ')}].`);
  return exitCode;
}

/** The units of the cluster that the words name; null, after fleet 1.0's line, when there are none. */
async function findExisting(session: Session): Promise<Result<readonly UnitView[] | null>> {
  if (session.words.length === 0) {
    complain(session, 'No units given');
    return success(null);
  }
  const read = readUnitArguments(session.words);
  if (!read.ok) return read;
  const { units } = await session.client.units(session.environment.interrupted);
  const { found } = pickUnits(read.value, units, (unit) => unit.desired !== 'inactive');
  if (found.length > 0) return success(found);
  complain(session, 'Units not found in registry');
  return success(null);
}

/** Applies a wish to units that exist, in as many requests as their number needs. */
export async function applyInParts(
  session: Session,
  units: readonly UnitView[],
  wish: Pick<ApplyRequest, 'desired' | 'restart'>,
): Promise<ApplyAnswer> {
  const by = whoAsks(session);
  const applied: ApplyAnswer[] = [];
  for (const part of inRequests(units.map(({ name }) => ({ name })))) {
    applied.push(
      await session.client.apply(
        { ...wish, units: part, by },
        session.environment.interrupted,
      ),
    );
  }
  return { revision: applied.at(-1)?.revision ?? 0, units: applied.flatMap((answer) => answer.units) };
}
