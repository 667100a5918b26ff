/**
 * What a machine remembers of its store, as a small text on its disk.
 * Promises: what is missing, damaged or of another form is nothing remembered, and that is said; never throws.
 */
import { noRegistration } from '../core/doubt.ts';
import type { KnownStore, Registration } from '../core/doubt.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { waitAtMost } from '../lib/wakeups.ts';
import type { Bell } from '../lib/wakeups.ts';
import { flag, readRecord, text, whole } from './fields.ts';

const fileName = 'store.json';
/** How old the revision on disk may be: what a wrong store may lack unnoticed when fleetd was not there to see it come. */
const revisionAgeMsMax = 15_000;

/** A few small named texts on disk. `write` replaces a text in one step; both may throw. */
export interface TextMemory {
  read(name: string): Promise<string | null>;
  write(name: string, text: string): Promise<void>;
}

/** Rung when there is something to write, and when that should not wait. */
export interface Bells {
  readonly changed: Bell;
  readonly soon: Bell;
}

const reader = readRecord<KnownStore>({
  cluster: text(''), revision: whole(),
  registration: readRecord<Registration>({ revision: whole(0), text: text('') }, noRegistration), acceptedAtMs: whole(0), doubted: text(''),
  marked: flag(false),
});

export async function readKnownStore({ memory, log }: { readonly memory: TextMemory; readonly log: Log }): Promise<KnownStore | null> {
  try {
    const stored = await memory.read(fileName);
    if (stored === null) return null;
    const read = reader(JSON.parse(stored), '');
    if (read.ok) return read.value;
    log.warning(`what this machine remembers of its store is damaged, it takes the store as it is: ${read.at} ${read.why}`);
  } catch (error) {
    log.warning(`cannot read what this machine remembers of its store, it takes the store as it is: ${messageOf(error)}`);
  }
  return null;
}

/** What is kept, and when. */
interface Kept {
  readonly known: () => KnownStore | null;
  readonly bells: Bells;
}

/** Keeps the disk up to date until the signal is aborted, and once more then; a disk that takes nothing is said once. */
export async function keepKnownStore(
  { memory, clock, log }: { readonly memory: TextMemory; readonly clock: Clock; readonly log: Log }, { known, bells }: Kept, signal: AbortSignal,
): Promise<void> {
  let written = known();
  let isTold = false;
  const write = async (): Promise<void> => {
    const now = known();
    if (now === null || now === written) return;
    const why = await writeKnownStore(memory, now);
    if (why === null) written = now;
    else if (!isTold) log.warning(`cannot remember on disk which store this machine belongs to: ${why}`);
    isTold = why !== null;
  };
  try {
    for (;;) {
      await bells.changed.wait(signal);
      await write();
      await waitAtMost(bells.soon, { clock, limitMs: revisionAgeMsMax }, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  await write();
}

/** Answers why it could not be written; null when it was. */
async function writeKnownStore(memory: TextMemory, known: KnownStore): Promise<string | null> {
  try {
    await memory.write(fileName, JSON.stringify(known));
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
