/**
 * The people at work while things break: submits, starts, stops, restarts and destroys, in random order.
 * Promises: what fleetctl accepted is remembered as accepted; a unit whose last request was not answered is left alone until that request
 * cannot take effect any more.
 */
import type { Random } from '../../src/lib/random.ts';
import type { Request, Verb } from './history.ts';
import type { World } from './world.ts';

const units = [...[1, 2, 3, 4, 5, 6].map((number) => `keep@${number}.service`), ...[1, 2, 3].map((number) => `stop@${number}.service`)];
/** A request that was not answered may still be carried out for so long. */
const uncertainMs = 15_000;
const pauseMs = { least: 200, most: 1_200 };

export interface Driver {
  readonly requests: readonly Request[];
  /** Starts every unit, so that the first fault has something to hit. */
  begin(): Promise<void>;
  /** Works until the signal is aborted; the request under way is finished first. */
  run(signal: AbortSignal): Promise<void>;
  /** Asks once more for every unit whose last request was not answered, so that its fate is known. */
  settle(): Promise<void>;
}

export function createDriver(world: World, random: Random, pause: (ms: number) => Promise<void>): Driver {
  const requests: Request[] = [];
  const lastOf = (unit: string): Request | undefined => requests.findLast((request) => request.unit === unit);
  const ask = async (unit: string, verb: Verb): Promise<boolean> => {
    const running = [];
    for (const machine of world.machines) if (await machine.running()) running.push(machine);
    const machine = running[Math.floor(random.next() * running.length)];
    if (machine === undefined) return false;
    const atMs = Date.now();
    const flags = verb === 'destroy' ? [] : ['--no-block'];
    const asked = world.fleetctl(machine, verb, ...flags, '--request-timeout=4', unit);
    const ended = await asked.catch(() => null); // Its power went meanwhile.
    requests.push({ unit, verb, atMs, accepted: ended?.code === 0 });
    return ended?.code === 0;
  };
  return {
    requests,
    async begin() {
      for (const unit of units) await ask(unit, 'start');
    },
    async run(signal) {
      while (!signal.aborted) {
        const unit = units[Math.floor(random.next() * units.length)] ?? '';
        const last = lastOf(unit);
        const isOpen = last !== undefined && !last.accepted && Date.now() - last.atMs < uncertainMs;
        if (!isOpen) await ask(unit, chooseVerb(last, random));
        await pause(pauseMs.least + random.next() * (pauseMs.most - pauseMs.least));
      }
    },
    async settle() {
      await pause(uncertainMs);
      for (const unit of units) {
        for (let attempt = 0; attempt < 5 && lastOf(unit)?.accepted === false; attempt += 1) await ask(unit, 'start');
      }
    },
  };
}

/** Mostly lets units run: a cluster of stopped units has nothing to lose. */
function chooseVerb(last: Request | undefined, random: Random): Verb {
  if (last === undefined || (last.verb !== 'start' && last.verb !== 'restart') || !last.accepted) return 'start';
  const drawn = random.next();
  if (drawn < 0.4) return 'restart';
  return drawn < 0.7 ? 'stop' : 'destroy';
}
