/**
 * Trust in the store: whether it is the one this machine knows, told from everything that is heard of it and asked again wherever a
 * connection begins anew.
 * Promises: what is remembered is on disk before it is needed after a restart, but for the last seconds of revisions; a doubt is logged
 * once when it begins and once when it ends; a disk that cannot be read or written to keeps nobody from working and is said.
 */
import type { Schema, StoreAcceptance } from '../core/cluster.ts';
import { doubtOf, isAccepted, isSameRegistration, noRegistration, rememberStore, spokenDoubt } from '../core/doubt.ts';
import type { Doubt, KnownStore, Registration, StoreFacts } from '../core/doubt.ts';
import type { MachineId, SpokenDoubt } from '../core/machine.ts';
import type { Clock } from '../lib/clock.ts';
import { DeadlineExceeded, withDeadline } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';
import { createBell } from '../lib/wakeups.ts';
import { keys, schemaVersion } from './keys.ts';
import { keepKnownStore, readKnownStore } from './known-store.ts';
import type { Bells, TextMemory } from './known-store.ts';
import type { Mirror } from './mirror.ts';
import type { MirrorRest } from './resting-mirror.ts';
import { decodeSchema, decodeStoreAcceptance } from './records.ts';
import { StoreCompacted, StoreReplaced, StoreUnavailable } from './store.ts';
import type { Listing, Store, StoreChange, StoreEntry, WatchBatch } from './store.ts';

const answerMsMax = 10_000;
/** How often, and how long after one another, a store that is behind is asked again before that counts. */
const catchUpAsksMax = 4;
const catchUpMs = 500;

export interface TrustNeeds {
  readonly store: Store;
  readonly memory: TextMemory;
  readonly machine: MachineId;
  readonly clock: Clock;
  readonly log: Log;
}

export interface StoreTrust {
  /** Reads what an earlier fleetd has remembered; before anything else. */
  recall(): Promise<void>;
  /**
   * Hears what this mirror hears; to be called once, before the mirror runs and before others listen to it. While one rests, what the
   * store answers to a check is all there is.
   */
  follow(mirror: Mirror, rest?: Pick<MirrorRest, 'isResting'> | null): void;
  /** What this machine has against the store; null when nothing is known. */
  doubt(): Doubt | null;
  /** The same for the machine's record. */
  spoken(): SpokenDoubt | null;
  /** What is remembered; null for nothing. */
  known(): KnownStore | null;
  /** What the store itself says, asked now; a doubt begins with it, and ends only when the mirror has seen why. Throws what the store throws. */
  check(signal: AbortSignal): Promise<Doubt | null>;
  /** Calls `listener` whenever a doubt has begun, changed or ended. */
  subscribe(listener: () => void): void;
  /** For a mirror: lists again once a doubt has begun, because what it knows may be of two stores. */
  mirrored(store: Store): Store;
  /** For those who act by what they hear: a store that is away as long as it is doubted. */
  trusted(store: Store): Store;
  /** Keeps the disk up to date until the signal is aborted, and once more then. */
  run(signal: AbortSignal): Promise<void>;
}

/** Of those who remember nothing, as fleetctl over etcd itself: they doubt nothing. */
export const trustful: Pick<StoreTrust, 'doubt' | 'known'> = { doubt: () => null, known: () => null };

const wakeSoon = ({ changed, soon }: Bells): void => {
  changed.wake();
  soon.wake();
};

interface State {
  known: KnownStore | null;
  doubt: Doubt | null;
  /** The newest revision heard of, by whatever way. */
  reached: number;
  /** A doubt that the mirror's newest listing gives rise to, and that nothing else has. */
  strange: Doubt | null;
  /** The mirror has not listed since a doubt began. */
  mustList: boolean;
  /** What the mirror knows: the revision it has come to, what last wrote each key, and the newest put it has heard. */
  mirrored: { readonly revision: number; readonly modRevision: Mirror['modRevision']; readonly newest: StoreEntry | null };
  /** What the mirror says. */
  schema: Schema | null;
  unreadable: string | null;
  registration: Registration;
  acceptance: StoreAcceptance | null;
}

const nothing: State['mirrored'] = { revision: 0, modRevision: () => 0, newest: null };

export function createStoreTrust(needs: TrustNeeds): StoreTrust {
  const state: State = {
    known: null, doubt: null, reached: 0, strange: null, mustList: false, mirrored: nothing,
    schema: null, unreadable: null, registration: noRegistration, acceptance: null,
  };
  const listeners = new Set<() => void>();
  let isResting = (): boolean => false;
  const bells: Bells = { changed: createBell(), soon: createBell() };
  const become = (doubt: Doubt | null, endedWhy = ''): void => {
    const before = state.doubt;
    state.doubt = doubt;
    if (before?.kind === doubt?.kind) return;
    if (doubt === null) needs.log.warning(`the store is trusted again: ${endedWhy}`);
    else needs.log.error(`${doubt.why}; units go on, nothing is started or stopped by what it says (${whatToDo(doubt)})`);
    state.mustList ||= doubt !== null;
    if (doubt !== null && state.known !== null && isKept(doubt)) state.known = { ...state.known, doubted: doubt.why };
    wakeSoon(bells);
    for (const listener of listeners) listener();
  };
  const hear = (facts: StoreFacts): Doubt | null => {
    const { known } = state;
    const byWord = known !== null && isAccepted(known, facts.acceptance);
    const doubt = doubtOf(known, facts, schemaVersion) ?? (state.doubt === null && !byWord ? state.strange : null);
    state.strange = null;
    if (doubt === null) remember(state, facts, bells);
    become(doubt, byWord ? saysAccepted(facts.acceptance) : 'it is the one this machine knows');
    mark(state, facts.registration, bells);
    return state.doubt;
  };
  const check = async (signal: AbortSignal): Promise<Doubt | null> => {
    const { known } = state;
    const { answer: facts, reached } = await caughtUp({ needs, state }, (late) => askStore(needs, late), signal);
    if (isResting()) return hear(facts);
    const doubt = doubtOf(known === null ? null : { ...known, revision: Math.max(known.revision, reached) }, facts, schemaVersion);
    if (doubt !== null && state.doubt === null && isOfNow(state, known)) become(doubt);
    mark(state, facts.registration, bells);
    return doubt;
  };
  const ensure = async (signal: AbortSignal): Promise<void> => {
    const doubt = await check(signal) ?? state.doubt;
    if (doubt !== null) throw new StoreUnavailable(doubt.why);
  };
  const compare = (listing: Listing): void => {
    // What the mirror heard while the listing was on its way is not in it. A store that really is behind is told by its revision.
    const why = state.mirrored.revision > listing.revision ? null : contradictionIn(state, listing);
    if (why !== null) become({ kind: 'older', why });
  };
  return {
    async recall(): Promise<void> {
      const known = await readKnownStore(needs);
      Object.assign(state, { known, reached: known?.revision ?? 0 });
      // Whoever registers before it has looked leaves a mark in the right store, by which it is taken for a wrong one.
      if (known !== null && known.doubted !== '') become({ kind: 'older', why: known.doubted });
    },
    follow(mirror, rest = null): void {
      isResting = () => rest?.isResting() === true;
      followMirror(state, { mirror, hear, isResting, registration: keys.registration(needs.machine) });
    },
    doubt: () => state.doubt,
    spoken: () => spokenDoubt(state.known, state.doubt),
    known: () => state.known,
    check,
    subscribe: (listener) => void listeners.add(listener),
    mirrored: (store) => mirroredStore({ needs, state }, store),
    trusted: (store) => trustedStore(state, store, { needs, ensure, compare }),
    run: (signal) => keepKnownStore(needs, { known: () => state.known, bells }, signal),
  };
}

/** What was asked before a doubt ended, or a person's word came, is no answer to what is known since. */
const isOfNow = (state: State, known: KnownStore | null): boolean =>
  state.known?.acceptedAtMs === known?.acceptedAtMs && state.known?.doubted === known?.doubted;

/** Notes that a doubted store has a registration the right one does not have: what tells them apart later, also after kill -9. */
function mark(state: State, { text }: Registration, bells: Bells): void {
  const { known } = state;
  if (known === null || known.doubted === '' || known.marked || text === known.registration.text) return;
  state.known = { ...known, marked: true };
  wakeSoon(bells);
}

/** Whether a doubt stays until somebody says otherwise, also over a restart. */
const isKept = ({ kind }: Doubt): boolean => kind === 'wiped' || kind === 'older';

function whatToDo({ kind }: Doubt): string {
  if (kind === 'newer') return 'it heals by itself once the newer fleet runs here';
  const accept = '"fleetctl accept-store" says that it is right';
  return kind === 'foreign' ? `correct etcd_servers and etcd_key_prefix; ${accept}` : `bring the right one back, or "fleetctl restore" a backup; ${accept}`;
}

function saysAccepted(acceptance: StoreAcceptance | null): string {
  const { by = '', reason = '' } = acceptance ?? {};
  return `accepted by ${by === '' ? 'somebody' : by}${reason === '' ? '' : ` (${reason})`}`;
}

function remember(state: State, facts: StoreFacts, bells: Bells): void {
  const before = state.known;
  const after = rememberStore(before, facts);
  state.known = after;
  const beginsAnew = state.doubt !== null || (before !== null && isAccepted(before, facts.acceptance));
  state.reached = beginsAnew ? facts.revision : Math.max(state.reached, facts.revision);
  const isSame = before !== null && before.cluster === after.cluster && isSameRegistration(before.registration, after.registration)
    && before.acceptedAtMs === after.acceptedAtMs && before.doubted === after.doubted;
  if (isSame) bells.changed.wake();
  else wakeSoon(bells);
}

interface Following {
  readonly mirror: Mirror;
  readonly hear: (facts: StoreFacts) => void;
  readonly isResting: () => boolean;
  /** The key of the machine's registration. */
  readonly registration: string;
}

function followMirror(state: State, { mirror, hear, isResting, registration }: Following): void {
  const watched: ReadonlySet<string> = new Set([keys.schema, keys.storeAcceptance]);
  mirror.subscribe(({ revision, changes }) => {
    if (isResting()) {
      Object.assign(state, { mirrored: nothing, schema: null, unreadable: null, acceptance: null, registration: noRegistration });
      return;
    }
    const registered = changes.find((change) => keyOf(change) === registration);
    if (registered !== undefined) state.registration = registered.kind === 'put' ? registrationOf(registered.entry) : noRegistration;
    const newest = changes.findLast((change) => change.kind === 'put')?.entry ?? state.mirrored.newest;
    state.mirrored = { revision, modRevision: mirror.modRevision, newest };
    if (changes.some((change) => watched.has(keyOf(change)))) {
      const { schema, storeAcceptance, unreadable } = mirror.snapshot();
      Object.assign(state, { schema, acceptance: storeAcceptance, unreadable: unreadable.get(keys.schema)?.why ?? null });
    }
    const { schema, acceptance, unreadable } = state;
    hear({ revision, schema, acceptance, unreadable, registration: state.registration });
  });
}

const keyOf = (change: StoreChange): string => (change.kind === 'put' ? change.entry.key : change.key);
const registrationOf = (entry: StoreEntry | undefined): Registration =>
  (entry === undefined ? noRegistration : { revision: entry.modRevision, text: entry.value });

/** The facts as the store itself has them; not all of one revision, which disturbs nothing: each is newer than what is known. */
async function askStore({ store, clock, machine }: TrustNeeds, signal: AbortSignal): Promise<StoreFacts> {
  const asked = [keys.schema, keys.registration(machine), keys.storeAcceptance];
  const listings = await inTime({ clock, signal }, (late) => Promise.all(asked.map((key) => store.list(key, late))));
  const entryOf = (key: string): StoreEntry | undefined => listings.flatMap(({ entries }) => entries).find((entry) => entry.key === key);
  const [schema, acceptance] = [entryOf(keys.schema), entryOf(keys.storeAcceptance)];
  const readSchema = schema === undefined ? null : decodeSchema(schema.value);
  const readAcceptance = acceptance === undefined ? null : decodeStoreAcceptance(acceptance.value);
  return {
    revision: Math.min(...listings.map(({ revision }) => revision)),
    schema: readSchema?.ok === true ? readSchema.value : null,
    unreadable: readSchema?.ok === false ? readSchema.failure.message : null,
    acceptance: readAcceptance?.ok === true ? readAcceptance.value : null,
    registration: registrationOf(entryOf(keys.registration(machine))),
  };
}

interface Asking {
  readonly needs: TrustNeeds;
  readonly state: State;
}

/**
 * What a store says once it has come as far as it is known to have, or the last that it says: an etcd that has just been started may answer
 * from before its last changes for a moment. One that is doubted already is not waited for.
 */
async function caughtUp<T extends { readonly revision: number }>(
  { needs: { clock }, state }: Asking, ask: (signal: AbortSignal) => Promise<T>, signal: AbortSignal,
): Promise<{ readonly answer: T; /** What it was known to have come to when it was asked. */ readonly reached: number }> {
  for (let asks = 1; ; asks += 1) {
    // What is heard while the answer is on its way need not be in it.
    const { reached } = state;
    const answer = await ask(signal);
    if (answer.revision >= reached || asks === catchUpAsksMax || state.doubt !== null) return { answer, reached };
    await clock.sleep(catchUpMs, signal);
  }
}

/** A store that takes too long is away. */
async function inTime<T>(
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal }, work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  try {
    return await withDeadline({ clock, limitMs: answerMsMax, signal }, work);
  } catch (error) {
    throw error instanceof DeadlineExceeded ? new StoreUnavailable(error.message) : error;
  }
}

/** How much of a key is named. */
const namedKeyMax = 60;

/**
 * What a listing has that this machine would have heard of in a history that goes on: up to the revision the mirror has come to every key is
 * known. One line, or null.
 */
function contradictionIn({ mirrored: { revision, modRevision }, doubt, known }: State, { entries }: Listing): string | null {
  // What is heard of a store that is doubted is no knowledge of the right one.
  if (doubt !== null || known === null || known.doubted !== '') return null;
  const strange = entries.find((entry) => entry.modRevision <= revision && entry.modRevision !== modRevision(entry.key));
  if (strange === undefined) return null;
  // Short enough for the column of a table: what it comes to stands at the end.
  const key = strange.key.length > namedKeyMax ? `${strange.key.slice(0, namedKeyMax)}...` : strange.key;
  return `at revision ${String(revision)} the store has ${key} not as this machine heard it: it was put back from an older backup`;
}

/** Whether the newest that was heard still stands, which no store that went back has. */
async function goesOn({ mirrored: { newest } }: State, store: Store, signal: AbortSignal): Promise<boolean> {
  if (newest === null) return true;
  const { entries } = await store.list(newest.key, signal);
  return entries.some(({ key, modRevision, value }) => key === newest.key && modRevision === newest.modRevision && value === newest.value);
}

/**
 * A store that has gone back is not listed before it is known to have: what the mirror knows is what tells it from the right one, also once
 * it has been written to, by machines that say that they doubt it.
 */
function mirroredStore({ needs, state }: Asking, store: Store): Store {
  return {
    async list(prefix, signal): Promise<Listing> {
      const { answer: listing, reached } = await caughtUp({ needs, state }, (late) => store.list(prefix, late), signal);
      const { known } = state;
      if (state.doubt === null && known !== null) state.known = { ...known, revision: Math.max(known.revision, reached) };
      const why = contradictionIn(state, listing);
      Object.assign(state, { strange: why === null ? null : { kind: 'older', why }, mustList: false });
      return listing;
    },
    async* watch(prefix, after, signal): AsyncGenerator<WatchBatch, void> {
      if (!await goesOn(state, store, signal)) {
        // After a doubt the same revision may have written something else.
        const Again = state.doubt === null ? StoreCompacted : StoreReplaced;
        throw new Again('what was heard last has changed since, or never was: listing again');
      }
      for await (const batch of store.watch(prefix, after, signal)) {
        if (state.mustList) throw new StoreReplaced('the store is not the one that was followed');
        yield batch;
      }
    },
    commit: (commit, signal) => store.commit(commit, signal),
    lease: (request, signal) => store.lease(request, signal),
    lifetimes: (prefix, signal) => store.lifetimes(prefix, signal),
  };
}

interface Gate {
  readonly needs: TrustNeeds;
  /** Throws StoreUnavailable while the store is doubted. */
  readonly ensure: (signal: AbortSignal) => Promise<void>;
  /** Begins a doubt when the listing gives rise to it. */
  readonly compare: (listing: Listing) => void;
}

/**
 * For one follower: lists and watches fail while the store is doubted, and whoever watched before lists again afterwards. A batch that takes
 * something away is checked before it is believed: somebody may have deleted all keys under a connection that lives.
 */
function trustedStore(state: State, store: Store, { needs, ensure, compare }: Gate): Store {
  let wasDoubted = false;
  const pass = async (signal: AbortSignal): Promise<void> => {
    try {
      await ensure(signal);
    } finally {
      wasDoubted ||= state.doubt !== null;
    }
  };
  const begin = async (signal: AbortSignal): Promise<void> => {
    await pass(signal);
    if (await goesOn(state, store, signal)) return;
    compare((await caughtUp({ needs, state }, (late) => store.list('', late), signal)).answer);
    await pass(signal);
  };
  const note = (revision: number): void => {
    if (state.doubt === null) state.reached = Math.max(state.reached, revision);
  };
  return {
    commit: (commit, signal) => store.commit(commit, signal),
    lease: (request, signal) => store.lease(request, signal),
    lifetimes: (prefix, signal) => store.lifetimes(prefix, signal),
    async list(prefix, signal): Promise<Listing> {
      await begin(signal);
      const { reached } = state;
      const listing = await store.list(prefix, signal);
      if (listing.revision < reached) await pass(signal);
      note(listing.revision);
      wasDoubted = false;
      return listing;
    },
    async* watch(prefix, after, signal): AsyncGenerator<WatchBatch, void> {
      await begin(signal);
      if (wasDoubted) throw new StoreReplaced('the store was doubted meanwhile');
      for await (const batch of store.watch(prefix, after, signal)) {
        if (state.doubt !== null || batch.changes.some(({ kind }) => kind === 'delete')) await pass(signal);
        note(batch.revision);
        yield batch;
      }
    },
  };
}
