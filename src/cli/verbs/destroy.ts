/**
 * `fleetctl destroy`: units out of the cluster.
 * Promises: fleet 1.0's lines; returns when the cluster has forgotten the units; waits for the machines only when
 * --block-attempts bounds that.
 */
import type { DestroyAnswer } from '../../protocol/v2.ts';
import { limits } from '../../core/limits.ts';
import { goneGoal } from '../goal.ts';
import { pickUnits, readUnitArguments } from '../names.ts';
import type { UnitArgument } from '../names.ts';
import { waitAndReport } from '../report.ts';
import { complain, exitCodes, print } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  if (session.words.length === 0) {
    complain(session, 'No units given');
    return exitCodes.done;
  }
  const read = readUnitArguments(session.words);
  if (!read.ok) {
    complain(session, read.failure.message);
    return exitCodes.failed;
  }
  const { destroyed, revision } = await destroyInParts(session, await namesOf(session, read.value));
  for (const name of destroyed) print(session, `Destroyed ${name}`);
  if (destroyed.length === 0) complain(session, 'Units not found in registry');
  if (session.flags.number('block-attempts') === 0 || session.flags.isOn('no-block')) return exitCodes.done;
  return (await waitAndReport(session, destroyed.map(goneGoal), revision)).exitCode;
}

/** Patterns need the list of units; names alone do not. */
async function namesOf(session: Session, words: readonly UnitArgument[]): Promise<readonly string[]> {
  if (words.every((word) => word.kind === 'unit')) return words.map((word) => word.name);
  const { units } = await session.client.units(session.environment.interrupted);
  return pickUnits(words, units).found.map((unit) => unit.name);
}

async function destroyInParts(
  session: Session,
  names: readonly string[],
): Promise<Pick<DestroyAnswer, 'destroyed' | 'revision'>> {
  const destroyed: string[] = [];
  let revision = 0;
  for (let at = 0; at < names.length; at += limits.unitsPerRequestMax) {
    const part = names.slice(at, at + limits.unitsPerRequestMax);
    const answer = await session.client.destroy({ names: part }, session.environment.interrupted);
    destroyed.push(...answer.destroyed);
    revision = answer.revision;
  }
  return { destroyed, revision };
}
