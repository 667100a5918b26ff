/**
 * Fences on a machine without systemd: a file with a moment for each, which the keepers of the units behind it read (docs/design/fencing.md).
 * Promises: a moment appears whole; a keeper stops its unit when the last one it was told is over, whether a fleetd is there or not.
 */
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import type { UnitFence } from '../runner.ts';

export interface SupervisorFenceOptions {
  readonly stateDirectory: string;
  readonly clock: Clock;
}

/** Where the moment of a fence stands: milliseconds on the clock of /proc/uptime, in decimal. */
function fencePath(stateDirectory: string, lostAfterMs: number): string {
  return join(stateDirectory, 'fences', String(lostAfterMs));
}

export function openSupervisorFence({ stateDirectory, clock }: SupervisorFenceOptions): UnitFence {
  const directory = join(stateDirectory, 'fences');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const untilOf = (lostAfterMs: number): number => readMoment(fencePath(stateDirectory, lostAfterMs));
  const write = (lostAfterMs: number, untilMs: number): void => {
    // Short and synchronous: a moment that waits behind other work comes too late.
    const path = fencePath(stateDirectory, lostAfterMs);
    writeFileSync(`${path}.new`, `${String(Math.floor(untilMs))}\n`);
    renameSync(`${path}.new`, path);
  };
  return {
    standing: (signal) => {
      signal.throwIfAborted();
      const fences = readdirSync(directory).filter((name) => /^\d+$/.test(name)).map(Number);
      return Promise.resolve(new Set(fences.filter((lostAfterMs) => untilOf(lostAfterMs) > clock.uptimeMs())));
    },
    raise({ lostAfterMs, untilMs }) {
      if (untilMs <= clock.uptimeMs()) return Promise.resolve('its fence does not stand: its moment is over');
      try {
        write(lostAfterMs, untilMs);
        return Promise.resolve(null);
      } catch (error) {
        return Promise.resolve(`its fence cannot be raised: ${(error as Error).message}`);
      }
    },
    extend({ lostAfterMs, untilMs }) {
      const before = untilOf(lostAfterMs);
      if (before <= clock.uptimeMs() || untilMs <= before) return;
      try {
        write(lostAfterMs, untilMs);
      } catch {
        // A moment that cannot be written is not extended: the units stop, which is what fencing promises.
      }
    },
    lower(lostAfterMs) {
      try {
        rmSync(fencePath(stateDirectory, lostAfterMs), { force: true });
        return Promise.resolve(null);
      } catch (error) {
        return Promise.resolve(`its fence cannot be lowered: ${(error as Error).message}`);
      }
    },
  };
}

/** The moment in a file; 0 when there is none. */
function readMoment(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
