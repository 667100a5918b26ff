/**
 * A release as it goes on, told line by line.
 * Promises: what happened is told once, from whatever moment on somebody looks; ends when the release has ended, is held or paused;
 * Ctrl-C ends the look, not the release.
 */
import { Unreachable } from '../client/errors.ts';
import { shortMachineId } from '../core/machine.ts';
import type { ReleaseMoveView, ReleaseView } from '../protocol/releases.ts';
import { exitCodes } from './session.ts';
import type { Session } from './session.ts';

/** Which release to follow. */
export interface Followed {
  readonly name: string;
  /** The generation that was asked for; null follows whatever is under way. */
  readonly target: number | null;
  /** The generation that is to be everywhere at the end; null: whichever. */
  readonly goal: number | null;
  /** What the request has changed is shown from the first line on. */
  readonly atLeast: number;
}

/** How it ended: an exit code, and one line. */
export interface ReleaseEnd {
  readonly code: number;
  readonly line: string;
}

/** Follows a release; `tell` gets each line but the last. */
export async function followRelease(
  session: Session,
  followed: Followed,
  tell: (line: string) => void,
): Promise<ReleaseEnd> {
  const { client, environment } = session;
  const { name, atLeast } = followed;
  const signal = environment.interrupted;
  const hint = `"fleetctl release status --follow ${name}" shows how it goes on`;
  let before: ReleaseView | null = null;
  try {
    for await (const item of client.events({ units: [name], kinds: ['release'], atLeast }, signal)) {
      if (item.kind !== 'event' || item.event.kind === 'current') continue;
      if (item.event.kind !== 'release' || item.event.name !== name) continue;
      const { release } = item.event;
      const lines = release === null ? [] : linesBetween(before, release);
      for (const line of lines) tell(line);
      const end = endOf(followed, release);
      if (end !== null) return end;
      before = release;
    }
  } catch (error) {
    if (signal.aborted) {
      return { code: exitCodes.interrupted, line: `Interrupted: the release goes on; ${hint}` };
    }
    if (!(error instanceof Unreachable)) throw error;
    return { code: exitCodes.failed, line: `Error following the release: ${error.message}; it goes on, ${hint}` };
  }
  return { code: exitCodes.failed, line: `Error following the release: the events ended; it goes on, ${hint}` };
}

/** How it ended, in one line; null while it goes on. */
function endOf({ name, target, goal }: Followed, release: ReleaseView | null): ReleaseEnd | null {
  if (release === null) return { code: exitCodes.failed, line: `Release of ${name}: its units were destroyed` };
  const says = (code: number, text: string): ReleaseEnd => ({ code, line: `Release of ${name}: ${text}` });
  if (target !== null && release.target > target) return says(exitCodes.failed, `generation ${release.target} took its place`);
  const code = goal === null || goal === release.goal ? exitCodes.done : exitCodes.failed;
  switch (release.state) {
    case 'done':
      return says(code, release.why);
    case 'rolled-back':
      return says(code, `${release.why}; generation ${release.origin} is back`);
    case 'held':
      return says(
        exitCodes.failed,
        `${release.why}; "fleetctl release resume ${name}" tries again, "fleetctl release undo ${name}" goes back`,
      );
    case 'rolling':
    case 'rolling-back':
      if (!release.paused || release.moves.length > 0) return null;
      return says(exitCodes.done, `${release.why}; "fleetctl release resume ${name}" goes on`);
  }
}

/** What happened between two looks at a release; all that matters now when there was none before. */
export function linesBetween(before: ReleaseView | null, after: ReleaseView): readonly string[] {
  if (before === null) return [headline(after), ...after.moves.map((move) => moveLine(move))];
  const lines: string[] = [];
  if (before.state !== after.state && after.state === 'rolling-back') lines.push(after.why);
  if (before.inPlaceWhy !== after.inPlaceWhy && after.inPlaceWhy !== '') lines.push(`In place from here on: ${after.inPlaceWhy}`);
  const known = new Map(before.moves.map((move) => [keyOf(move), move]));
  for (const move of after.moves) {
    const earlier = known.get(keyOf(move));
    const hasFaded = earlier?.phase === move.phase && earlier.healthySinceMs !== null && move.healthySinceMs === null;
    if (hasFaded) lines.push(`${move.unit}${onMachine(move)} is no longer healthy`);
    else if (earlier === undefined || isOther(earlier, move)) lines.push(moveLine(move));
  }
  const left = new Set(after.moves.map(keyOf));
  for (const move of before.moves) if (!left.has(keyOf(move)) && move.phase === 'leaving') lines.push(`${move.old ?? move.unit} is gone`);
  if (before.changed !== after.changed || before.total !== after.total) lines.push(`${after.changed} of ${after.total} changed`);
  return lines;
}

function headline({ name, goal, target, total, changed, strategy, inPlaceWhy, state }: ReleaseView): string {
  const way = inPlaceWhy === '' ? strategy.way : `in place, because ${inPlaceWhy}`;
  const direction = goal === target ? 'to' : 'back to';
  const doing = state === 'done' || state === 'rolled-back' ? 'went' : 'goes';
  return `Release of ${name} ${doing} ${direction} generation ${goal}: ${changed} of ${total} changed, ${strategy.batch} at a time, ${way}`;
}

const keyOf = ({ unit, machine, generation }: ReleaseMoveView): string => `${unit} ${machine ?? ''} ${generation}`;

function isOther(earlier: ReleaseMoveView, move: ReleaseMoveView): boolean {
  return earlier.phase !== move.phase || (earlier.healthySinceMs === null) !== (move.healthySinceMs === null);
}

function onMachine({ machine }: ReleaseMoveView): string {
  return machine === null ? '' : ` on ${shortMachineId(machine)}`;
}

function moveLine(move: ReleaseMoveView): string {
  const { unit, old, phase, healthySinceMs, why } = move;
  const where = onMachine(move);
  switch (phase) {
    case 'leaving':
      return `${old ?? unit} goes`;
    case 'failed':
      return `${unit}${where} failed: ${why}`;
    case 'starting':
      if (healthySinceMs !== null) return `${unit}${where} is healthy`;
      return old === null ? `${unit}${where} starts anew` : `${unit} starts in the place of ${old}`;
  }
}
