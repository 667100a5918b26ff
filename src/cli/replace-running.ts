/**
 * `start --replace` of units that run with other content: each is a release of one, in place.
 * Promises: one after the other, so that instances of a service do not all stop at once; the first that fails ends the row.
 */
import type { ApplyUnit } from '../protocol/v2.ts';
import { machineLabel } from './columns.ts';
import { followRelease } from './release-progress.ts';
import { complain, exitCodes, print, whoAsks } from './session.ts';
import type { Session } from './session.ts';

/** A unit that runs, and the text it is to have. */
export interface Replacement {
  readonly name: string;
  readonly text: string;
}

/** Of units to be replaced and launched, those that run with another content now. `parts` are requests of bounded size. */
export async function findRunning(
  session: Session,
  parts: readonly (readonly ApplyUnit[])[],
): Promise<readonly Replacement[]> {
  const found: Replacement[] = [];
  for (const units of parts) {
    const request = { units, desired: 'launched', replace: true, dryRun: true } as const;
    const answer = await session.client.apply(request, session.environment.interrupted);
    const running = new Set(
      answer.units.filter((unit) => unit.content === 'replaced' && unit.before === 'launched').map((unit) => unit.name),
    );
    for (const { name, text } of units) if (text !== undefined && running.has(name)) found.push({ name, text });
  }
  return found;
}

/** Releases units one by one. Answers with an exit code. */
export async function releaseEach(session: Session, replacements: readonly Replacement[]): Promise<number> {
  const { client, environment, flags } = session;
  const by = whoAsks(session);
  for (const [index, { name, text }] of replacements.entries()) {
    const request = { name, text, strategy: { way: 'in-place' }, by } as const;
    const { release, revision } = await client.release(request, environment.interrupted);
    if (flags.isOn('no-block')) {
      print(session, `Triggered unit ${name} start`);
      continue;
    }
    const end = await followRelease(session, { name, target: release.target, goal: release.goal, atLeast: revision }, () => undefined);
    if (end.code !== exitCodes.done) {
      complain(session, end.line);
      const left = replacements.slice(index + 1).map((replacement) => replacement.name);
      if (left.length > 0) complain(session, `Not begun with: ${left.join(' ')}`);
      return end.code;
    }
    await tellLaunched(session, name);
  }
  return exitCodes.done;
}

async function tellLaunched({ client, environment }: Session, name: string): Promise<void> {
  const details = await client.releaseDetails(name, environment.interrupted);
  for (const unit of details?.units ?? []) {
    if (unit.machine !== '') print({ environment }, `Unit ${name} launched on ${machineLabel({ id: unit.machine, address: unit.address })}`);
  }
}
