/**
 * How simulated people ask for something: a request to the API of some machine's fleetd, which may die over it.
 * Promises: all of it goes through the API's own decisions and transactions; what was answered is told with what it
 * claims.
 */
import type { Result } from '../../src/core/failure.ts';
import type { Commit } from '../../src/store/store.ts';
import type { Basis, Decide, Outcome } from '../../src/api/write/decision.ts';
import { commitDecision } from '../../src/api/write/single-commit.ts';
import { transact } from '../../src/api/write/transaction.ts';
import type { Running } from '../machine.ts';
import type { Claim } from '../witness.ts';
import { pick } from '../world.ts';
import type { World } from '../world.ts';

export const never: AbortSignal = new AbortController().signal;

/** Sends a request to some machine that runs fleetd, chosen by a die; answers to which process, null when none runs. */
export function sendTo(world: World, die: number, handle: (running: Running) => Promise<void>): string | null {
  const answering = world.machines.flatMap((machine) => machine.running() ?? []);
  if (answering.length === 0) return null;
  const running = pick(answering, die);
  // As a request over a socket: a frozen process takes it up when it is thawed, a dead one never.
  const handled = running.process.receive(Promise.resolve()).then(() => handle(running));
  const request = { process: running.process };
  world.asked.add(request);
  handled
    .finally(() => world.asked.delete(request))
    .catch((error: unknown) => world.failed(running.process, error));
  return running.process.name;
}

/** Has a decision carried out as POST of API v2 does; `claimsOf` says what a good answer claims. */
export function ask<T>(
  world: World,
  die: number,
  { decide, claimsOf }: { readonly decide: Decide<T>; readonly claimsOf: (answer: T) => readonly Claim[] },
): string | null {
  const asked = world.chronicle.revision();
  return sendTo(world, die, async ({ process, fleetd }) => {
    const outcome: Result<Outcome<T>> = await transact(fleetd.write, decide, never);
    if (!outcome.ok) return world.tell(`${process.name} refuses: ${outcome.failure.message}`);
    const { revision, answer } = outcome.value;
    world.acknowledged({ process, asked, revision, claims: claimsOf(answer) });
  });
}

/** The same for small changes, which are one commit. */
export function askSmall(
  world: World,
  die: number,
  { decide, claims }: { readonly decide: (basis: Basis) => Result<Commit>; readonly claims: readonly Claim[] },
): string | null {
  const asked = world.chronicle.revision();
  return sendTo(world, die, async ({ process, fleetd }) => {
    const outcome = await commitDecision(fleetd.write, decide, never);
    if (!outcome.ok) return world.tell(`${process.name} refuses: ${outcome.failure.message}`);
    world.acknowledged({ process, asked, revision: outcome.value.revision, claims });
  });
}
