/**
 * Fences on a machine with systemd: services with a watchdog, fed by `keeper fence` (docs/design/fencing.md).
 * Promises: extend() writes to a FIFO and nothing else, so it works while D-Bus is wedged and /run is read-only, and never waits; it never
 * brings back a fence that has fallen, because such a one takes its first moment only from raise().
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fenceUnit } from '../../core/fence/fence-unit.ts';
import type { Clock } from '../../lib/clock.ts';
import { FileTrouble } from '../file-trouble.ts';
import type { FenceUntil, UnitFence } from '../runner.ts';
import { BusError } from './bus-connection.ts';
import { removeFile, stageFile } from './staged-file.ts';
import { noSuchUnit } from './systemd-manager.ts';
import type { SystemdManager } from './systemd-manager.ts';

/** Between two looks whether a fence stands; only while one is raised. */
const lookAgainMs = 50;
/** How long a fence may take until it stands. */
const raiseMsMax = 5_000;
/** The watchdog's interval: a part of the time the fence is for, and neither so short that a busy machine misses it nor uselessly long. */
const intervalsPerLostAfter = 10;
const intervalMsMin = 200;
const intervalMsMax = 10_000;

export interface SystemdFenceOptions {
  readonly manager: SystemdManager;
  readonly clock: Clock;
  /** Where fences hear of their moments: one FIFO each. */
  readonly fifoDirectory: string;
  /** systemd's own directory for run-time units. */
  readonly unitsDirectory: string;
  /** The keeper's path. */
  readonly keeper: string;
  readonly user: boolean;
}

export async function openSystemdFence(options: SystemdFenceOptions): Promise<UnitFence> {
  const { manager, fifoDirectory, unitsDirectory } = options;
  await mkdir(fifoDirectory, { recursive: true, mode: 0o700 });
  const known = await fencesIn(unitsDirectory);
  const fifo = (lostAfterMs: number): string => fifoOf(fifoDirectory, lostAfterMs);
  const stands = async (all: readonly number[], signal: AbortSignal): Promise<ReadonlySet<number>> => {
    const rows = all.length === 0 ? [] : await manager.listUnitsByNames(all.map(fenceUnit), signal);
    const active = new Set(rows.filter((row) => row.active === 'active').map(({ name }) => name));
    return new Set(all.filter((lostAfterMs) => active.has(fenceUnit(lostAfterMs))));
  };
  return {
    standing: (signal) => stands([...known], signal),
    async raise({ lostAfterMs, untilMs }, signal) {
      const unit = fenceUnit(lostAfterMs);
      try {
        await writeUnit(options, lostAfterMs, signal);
        known.add(lostAfterMs);
        await manager.startUnit(unit, signal);
      } catch (error) {
        if (!isTrouble(error)) throw error;
        return `its fence cannot be raised: ${error.message}`;
      }
      const endMs = options.clock.uptimeMs() + raiseMsMax;
      while (options.clock.uptimeMs() < endMs) {
        tell(fifo(lostAfterMs), `raise ${String(Math.floor(untilMs))}`);
        if ((await stands([lostAfterMs], signal)).has(lostAfterMs)) return null;
        await options.clock.sleep(lookAgainMs, signal);
      }
      return `its fence does not stand; systemctl status ${unit} says why`;
    },
    extend({ lostAfterMs, untilMs }: FenceUntil): void {
      tell(fifo(lostAfterMs), `extend ${String(Math.floor(untilMs))}`);
    },
    async lower(lostAfterMs, signal) {
      try {
        await manager.stopUnit(fenceUnit(lostAfterMs), signal).catch((error: unknown) => {
          if (!(error instanceof BusError && error.errorName === noSuchUnit)) throw error;
        });
        await removeFile(join(unitsDirectory, fenceUnit(lostAfterMs)));
        await removeFile(fifo(lostAfterMs));
      } catch (error) {
        if (!isTrouble(error)) throw error;
        return `its fence cannot be lowered: ${error.message}`;
      }
      known.delete(lostAfterMs);
      return null;
    },
  };
}

/** Whether this is told as a problem of the fence; everything else is one of the runner. */
const isTrouble = (error: unknown): error is BusError | FileTrouble => error instanceof BusError || error instanceof FileTrouble;

const fifoOf = (directory: string, lostAfterMs: number): string => join(directory, String(lostAfterMs));

/** The fences an earlier fleetd has raised. */
async function fencesIn(directory: string): Promise<Set<number>> {
  const files = await readdir(directory).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return new Set(files.flatMap((file) => {
    const lostAfterMs = /^fleet-fence-(\d{1,9})\.service$/.exec(file)?.[1];
    return lostAfterMs === undefined ? [] : [Number(lostAfterMs)];
  }));
}

/** Writes a line for a fence; nobody listens when there is no fence, and a fence that does not read is about to fall. */
function tell(fifo: string, line: string): void {
  let descriptor: number | null = null;
  try {
    descriptor = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    writeSync(descriptor, `${line}\n`);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['ENOENT', 'ENXIO', 'EAGAIN', 'EPIPE'].includes(code)) throw error;
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}

async function writeUnit(options: SystemdFenceOptions, lostAfterMs: number, signal: AbortSignal): Promise<void> {
  const { manager, unitsDirectory } = options;
  const path = join(unitsDirectory, fenceUnit(lostAfterMs));
  const text = unitText(options, lostAfterMs);
  if (await readFile(path, 'utf8').catch(() => null) !== text) {
    await (await stageFile(path, text)).commit();
  }
  // A fleet of another version has left another text, and systemd remembers it for the units bound to it.
  const unit = fenceUnit(lostAfterMs);
  if (await manager.isLoaded(unit, signal) && await manager.isOutdated(unit, signal)) await manager.reload(signal);
}

function unitText({ keeper, fifoDirectory, user }: SystemdFenceOptions, lostAfterMs: number): string {
  const fifo = fifoOf(fifoDirectory, lostAfterMs);
  const intervalMs = Math.min(intervalMsMax, Math.max(intervalMsMin, Math.floor(lostAfterMs / intervalsPerLostAfter)));
  const word = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`;
  return [
    '[Unit]',
    `Description=fleet: its units stop when this machine is cut off from the cluster for ${String(lostAfterMs / 1_000)} s`,
    'CollectMode=inactive-or-failed',
    '',
    '[Service]',
    'Type=notify',
    `ExecStart=${word(keeper)} fence ${word(fifo)}`,
    `WatchdogSec=${String(intervalMs)}ms`,
    'WatchdogSignal=SIGKILL',
    'TimeoutStartSec=15s',
    'TimeoutStopSec=1s',
    'Restart=no',
    // A machine that is short of memory or time must not take units down for it; a user's systemd may not ask for that.
    ...(user ? [] : ['OOMScoreAdjust=-1000', 'Nice=-20']),
    '',
  ].join('\n');
}
