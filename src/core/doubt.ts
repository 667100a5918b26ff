/**
 * Whether the store is the one a machine knows: what a machine remembers of it, against what it says now.
 * Promises: pure; a machine that knows nothing doubts nothing; a doubt ends only by a person's word ({@link StoreAcceptance}) or when the
 * store is shown to be the one that is remembered, never because a wrong one has gone on for long enough.
 */
import type { ClusterSnapshot, Schema, StoreAcceptance } from './cluster.ts';
import { machineName } from './machine.ts';
import type { SpokenDoubt } from './machine.ts';
import { compareText } from './order.ts';

/** The machine's own registration, which nobody else writes: no two have the same text. */
export interface Registration {
  /** 0: there is none. */
  readonly revision: number;
  readonly text: string;
}

export const noRegistration: Registration = { revision: 0, text: '' };

/** What a machine remembers of its store, in memory and on its disk. */
export interface KnownStore {
  /** The name of its cluster; empty while it has none. */
  readonly cluster: string;
  /** How far the store had come at least. */
  readonly revision: number;
  readonly registration: Registration;
  /** The acceptance that was in force ({@link StoreAcceptance.atMs}); 0: none. */
  readonly acceptedAtMs: number;
  /** What the store was last seen to contradict, as one line; empty when nothing. */
  readonly doubted: string;
  /** The doubted store has been seen with another registration of this machine than the right one has. */
  readonly marked: boolean;
}

/** What the store says now. */
export interface StoreFacts {
  readonly revision: number;
  readonly schema: Schema | null;
  /** Why the schema cannot be read; null when it can, or is not there. */
  readonly unreadable: string | null;
  readonly registration: Registration;
  readonly acceptance: StoreAcceptance | null;
}

/**
 * - `wiped`: the store is empty, or lacks what tells which cluster it is
 * - `older`: it is the right one as it was before
 * - `foreign`: it belongs to another cluster, or was begun anew
 * - `newer`: a fleet that is too far ahead has written it
 */
export type DoubtKind = 'wiped' | 'older' | 'foreign' | 'newer';

/** Why nothing is done by what the store says; one line for people. */
export interface Doubt {
  readonly kind: DoubtKind;
  readonly why: string;
}

/** Of layouts of the store one version up is understood: that is what lets one version of fleet follow another, and go back. */
const schemaVersionsAhead = 1;

/** What a machine has against the store; null when nothing. `version` is the layout that this fleet writes. */
export function doubtOf(known: KnownStore | null, facts: StoreFacts, version: number): Doubt | null {
  const { schema, unreadable, acceptance } = facts;
  if (unreadable !== null) return { kind: 'newer', why: `which version of fleet the store is for cannot be read: ${unreadable}` };
  if (schema !== null && schema.version > version + schemaVersionsAhead) {
    const most = String(version + schemaVersionsAhead);
    const why = `the store has layout ${String(schema.version)} of a newer fleet, this one understands up to ${most}: install the newer fleet here`;
    return { kind: 'newer', why };
  }
  if (known === null || isAccepted(known, acceptance)) return null;
  const contradiction = contradicts(known, facts);
  if (contradiction !== null || known.doubted === '') return contradiction;
  // A wrong store goes on, too. Machines register in it, so only the registration that is remembered shows that the right one is back.
  return known.marked && isSameRegistration(facts.registration, known.registration) ? null : { kind: 'older', why: known.doubted };
}

function contradicts(known: KnownStore, { revision, schema, registration }: StoreFacts): Doubt | null {
  const mine = nameOf(known.cluster);
  if (schema === null) {
    const why = `the store does not have the cluster ${mine} that this machine belongs to: it was wiped, or is another store`;
    return known.cluster === '' ? null : { kind: 'wiped', why };
  }
  if (known.cluster !== '' && schema.cluster !== '' && schema.cluster !== known.cluster) {
    const since = new Date(schema.createdAtMs).toISOString();
    return {
      kind: 'foreign',
      why: `the store has the cluster ${nameOf(schema.cluster)}, begun ${since}, and this machine belongs to ${mine}: ` +
        'another cluster uses this etcd and key prefix, or the store was wiped and begun anew',
    };
  }
  if (revision < known.revision) {
    const why = `the store is at revision ${String(revision)} and had come to ${String(known.revision)}: it was put back from an older backup`;
    return { kind: 'older', why };
  }
  if (registration.revision < known.registration.revision) {
    return { kind: 'older', why: 'the store has lost the newest registration of this machine: it was put back from an older backup' };
  }
  return null;
}

export function isSameRegistration(one: Registration, other: Registration): boolean {
  return one.revision === other.revision && one.text === other.text;
}

/** Whether a person has said since that the store is right for the cluster that is remembered. */
export function isAccepted(known: KnownStore, acceptance: StoreAcceptance | null): boolean {
  return acceptance !== null && acceptance.atMs > known.acceptedAtMs && acceptance.of.includes(known.cluster);
}

/** What is remembered of a store that is not doubted. */
export function rememberStore(known: KnownStore | null, { revision, schema, registration, acceptance }: StoreFacts): KnownStore {
  const name = schema === null ? '' : schema.cluster;
  // One that was accepted while it is empty gets its name from whoever leads next.
  const cluster = name === '' && known !== null && !isAccepted(known, acceptance) ? known.cluster : name;
  return { cluster, revision, registration, acceptedAtMs: acceptance?.atMs ?? 0, doubted: '', marked: false };
}

/** What others are told; null for doubts of a machine that does not belong into this store. */
export function spokenDoubt(known: KnownStore | null, doubt: Doubt | null): SpokenDoubt | null {
  if (known === null || doubt === null || (doubt.kind !== 'wiped' && doubt.kind !== 'older')) return null;
  return { cluster: known.cluster, tokenBase: known.revision + known.acceptedAtMs, why: doubt.why };
}

/** Machines that say that the store is not the one they know, as one line; null when none does. Nothing is decided while one does. */
export function whyDoubted({ machines }: Pick<ClusterSnapshot, 'machines'>): string | null {
  const known = knownDoubts.get(machines);
  if (known !== undefined) return known;
  const why = sayDoubters(machines);
  knownDoubts.set(machines, why);
  return why;
}

/** What was found of the machines of a snapshot: it is asked before every pass and every change. */
const knownDoubts = new WeakMap<ClusterSnapshot['machines'], string | null>();

function sayDoubters(machines: ClusterSnapshot['machines']): string | null {
  const doubters = [...machines.values()].filter(({ doubt }) => doubt !== null).sort((one, other) => compareText(one.id, other.id));
  const [first] = doubters;
  if (first?.doubt === undefined || first.doubt === null) return null;
  const more = doubters.length === 1 ? '' : ` and ${String(doubters.length - 1)} more`;
  return `${machineName(first)}${more}: ${first.doubt.why}`;
}

/** The first letters of a cluster's name, enough to tell it from others. */
export function nameOf(cluster: string): string {
  return cluster === '' ? 'without a name' : `"${cluster.slice(0, 8)}"`;
}
