/**
 * Texts of the unit files that this machine's units are made of, read from the store when they are needed and nobody here knows them.
 * Promises: a file is read once for all units that share it; only files of assigned units are kept.
 */
import type { Assignment, FileHash } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Clock } from '../lib/clock.ts';
import { withDeadline } from '../lib/deadline.ts';
import { keys } from '../store/keys.ts';
import { isStoreTrouble } from '../store/lease-keeper.ts';
import type { Store } from '../store/store.ts';
import type { StepProblem } from './carry-out.ts';

const fetchMsMax = 10_000;
/** Files read from the store at once. */
const fetchesInFlightMax = 16;

export interface UnitFiles {
  readonly texts: ReadonlyMap<FileHash, string>;
  /** Reads files; answers with those that could not be read. */
  fetch(hashes: readonly FileHash[], signal: AbortSignal): Promise<readonly StepProblem[]>;
  /** Takes files from elsewhere; those known already stay. */
  give(texts: ReadonlyMap<FileHash, string>): void;
  /** Forgets all files that no assignment names, and takes over those named that are known in this process already. */
  follow(assignments: ReadonlyMap<UnitName, Assignment>): void;
}

export interface UnitFilesNeeds {
  readonly store: Store;
  readonly clock: Clock;
  /** The text of a file as far as this process knows it from the store: reading it again would take a request. */
  readonly knownText?: (hash: FileHash) => string | undefined;
}

export function createUnitFiles(needs: UnitFilesNeeds): UnitFiles {
  const texts = new Map<FileHash, string>();
  const fetchOne = async (hash: FileHash, signal: AbortSignal): Promise<StepProblem | null> => {
    const key = keys.unitFile(hash);
    try {
      const deadline = { clock: needs.clock, limitMs: fetchMsMax, signal };
      const { entries } = await withDeadline(deadline, (late) => needs.store.list(key, late));
      const entry = entries.find((each) => each.key === key);
      if (entry === undefined) {
        return { subject: hash, why: `its unit file ${hash.slice(0, 7)} is not in the store; submit it again` };
      }
      texts.set(hash, entry.value);
      return null;
    } catch (error) {
      signal.throwIfAborted();
      if (!isStoreTrouble(error)) throw error;
      return { subject: hash, why: `its unit file ${hash.slice(0, 7)} cannot be read from the store: ${error.message}` };
    }
  };
  return {
    texts,
    async fetch(hashes, signal): Promise<readonly StepProblem[]> {
      const problems: StepProblem[] = [];
      for (let at = 0; at < hashes.length; at += fetchesInFlightMax) {
        const found = await Promise.all(hashes.slice(at, at + fetchesInFlightMax).map((hash) => fetchOne(hash, signal)));
        problems.push(...found.filter((problem) => problem !== null));
      }
      return problems;
    },
    give(given): void {
      for (const [hash, text] of given) if (!texts.has(hash)) texts.set(hash, text);
    },
    follow(assignments): void {
      const used = new Set([...assignments.values()].map(({ hash }) => hash));
      for (const hash of texts.keys()) if (!used.has(hash)) texts.delete(hash);
      for (const hash of used) {
        const text = texts.has(hash) ? undefined : needs.knownText?.(hash);
        if (text !== undefined) texts.set(hash, text);
      }
    },
  };
}
