/**
 * What a machine remembers of its store, as a small text on its disk.
 * Promises: what is missing, damaged or of another form is nothing remembered, and that is said; never throws.
 */
import { noRegistration } from '../core/doubt.ts';
import type { KnownStore, Registration } from '../core/doubt.ts';
import type { Log } from '../lib/log.ts';
import { flag, readRecord, text, whole } from './fields.ts';

const fileName = 'store.json';

/** A few small named texts on disk. `write` replaces a text in one step; both may throw. */
export interface TextMemory {
  read(name: string): Promise<string | null>;
  write(name: string, text: string): Promise<void>;
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

/** Answers why it could not be written; null when it was. */
export async function writeKnownStore(memory: TextMemory, known: KnownStore): Promise<string | null> {
  try {
    await memory.write(fileName, JSON.stringify(known));
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
