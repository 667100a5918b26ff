/**
 * Names of units that may have changed, for any number of readers.
 * Promises: a reader misses nothing from its first next() on, is told each name once however often it changed meanwhile, and
 * begins with an empty list, which asks for a full look, because what happened before is unknown.
 */
import type { UnitName } from '../core/unit-name.ts';
import { createBell } from '../lib/wakeups.ts';
import type { Bell } from '../lib/wakeups.ts';

export interface ChangeFeed {
  tell(name: UnitName): void;
  /** Every unit may have changed. */
  tellAll(): void;
  /** As UnitRunner.changes. */
  changes(signal: AbortSignal): AsyncIterable<readonly UnitName[]>;
}

interface Reader {
  readonly names: Set<UnitName>;
  all: boolean;
  readonly bell: Bell;
}

export function createChangeFeed(): ChangeFeed {
  const readers = new Set<Reader>();
  return {
    tell(name) {
      for (const reader of readers) {
        reader.names.add(name);
        reader.bell.wake();
      }
    },
    tellAll() {
      for (const reader of readers) {
        reader.all = true;
        reader.bell.wake();
      }
    },
    changes: (signal) => read(readers, signal),
  };
}

async function* read(readers: Set<Reader>, signal: AbortSignal): AsyncGenerator<readonly UnitName[]> {
  const reader: Reader = { names: new Set(), all: true, bell: createBell() };
  readers.add(reader);
  try {
    for (;;) {
      if (!reader.all && reader.names.size === 0) await reader.bell.wait(signal);
      signal.throwIfAborted();
      const isNews = reader.all || reader.names.size > 0;
      const names = reader.all ? [] : [...reader.names];
      reader.names.clear();
      reader.all = false;
      if (isNews) yield names;
    }
  } finally {
    readers.delete(reader);
  }
}
