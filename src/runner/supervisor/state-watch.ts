/**
 * News of units without polling: changed state files, and keepers that end.
 * Promises: a keeper's end is noticed however it ended; a watch that breaks asks for a full look and begins again.
 */
import { watch } from 'node:fs';
import { join } from 'node:path';
import { parseUnitName } from '../../core/unit-name.ts';
import type { UnitName } from '../../core/unit-name.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { ChangeFeed } from '../change-feed.ts';
import type { KeeperClient } from './keeper-client.ts';
import type { SupervisorDirectories } from './unit-records.ts';

/** Pause before a broken watch is begun again. */
const WATCH_AGAIN_MS = 1_000;

export interface StateWatch {
  /** Follows the unit's keeper until it ends; does nothing when it is followed already. */
  follow(name: UnitName): void;
  /** Watches until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export interface StateWatchNeeds {
  readonly directories: SupervisorDirectories;
  readonly client: KeeperClient;
  readonly feed: ChangeFeed;
  readonly clock: Clock;
  readonly log: Log;
}

export function createStateWatch({ directories, client, feed, clock, log }: StateWatchNeeds): StateWatch {
  const followed = new Map<UnitName, () => void>();
  const follow = (name: UnitName): void => {
    if (followed.has(name)) return;
    followed.set(name, client.watch(name, () => {
      followed.delete(name);
      feed.tell(name);
    }));
  };
  const onFile = (file: string | null): void => {
    const parsed = file === null ? null : parseUnitName(file);
    if (parsed === null) return feed.tellAll();
    if (parsed.ok) feed.tell(parsed.value.name);
  };
  return {
    follow,
    async run(signal) {
      try {
        for (;;) {
          const error = await watchStates(join(directories.state, 'states'), onFile, signal);
          log.warning(`the state files are not watched: ${error.message}; again in ${String(WATCH_AGAIN_MS / 1_000)} s`);
          feed.tellAll();
          await clock.sleep(WATCH_AGAIN_MS, signal);
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        for (const end of followed.values()) end();
        followed.clear();
      }
    },
  };
}

/** Watches a directory until the watch breaks, and answers with why; throws the signal's reason when aborted. */
function watchStates(directory: string, onFile: (file: string | null) => void, signal: AbortSignal): Promise<Error> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const watcher = watch(directory, { persistent: false }, (_, file) => onFile(file));
    const abort = (): void => {
      watcher.close();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', abort, { once: true });
    watcher.once('error', (error) => {
      signal.removeEventListener('abort', abort);
      watcher.close();
      resolve(error);
    });
    // What changed before the watch stood is unknown.
    onFile(null);
  });
}
