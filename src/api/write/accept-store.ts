/**
 * A person's word that the store is right, as a pure decision on one moment of the cluster.
 * Promises: without force nothing is accepted that would stop a unit that runs; what is accepted holds for the clusters that doubt, and for
 * no other; fencing tokens grow over it.
 */
import type { StoreAcceptance } from '../../core/cluster.ts';
import { machineName } from '../../core/machine.ts';
import type { MachineId } from '../../core/machine.ts';
import { nameOf } from '../../core/doubt.ts';
import { failure, success, type Result } from '../../core/failure.ts';
import { isServing } from '../../core/reconcile/drain.ts';
import type { AcceptStoreRequest } from '../../protocol/machines.ts';
import { keys } from '../../store/keys.ts';
import { encodeRecord } from '../../store/records.ts';
import type { Commit } from '../../store/store.ts';
import { whyTooOld, type Basis, type WriteNeeds } from './decision.ts';

/** Units that a failure names at most. */
const namesMax = 5;

type Trusting = Pick<WriteNeeds, 'mirror' | 'trust'>;
type Deciding = Trusting & Pick<WriteNeeds, 'machineId'>;

/** Decides what to answer to somebody who says that the store is right; without changes when no machine doubts it. */
export function decideAcceptance(needs: Deciding, basis: Basis, { force = false, by = '', reason = '' }: AcceptStoreRequest): Result<Commit> {
  const tooOld = whyTooOld(needs);
  if (tooOld !== null) return tooOld;
  const { snapshot, modRevision, nowMs } = basis;
  const isDoubted = needs.trust.doubt() !== null || [...snapshot.machines.values()].some(({ doubt }) => doubt !== null);
  const key = keys.storeAcceptance;
  const guards = [{ key, modRevision: modRevision(key) }];
  if (!isDoubted) return success({ guards, changes: [] });
  const silent = force ? null : whoIsSilent(needs, basis);
  if (silent !== null) return failure('CONFLICT', `${silent} has not said in this store yet what it runs; try again in a moment`);
  const why = force ? null : whatStops(needs, basis);
  if (why !== null) return failure('UNITS_WOULD_STOP', `${why}; "fleetctl restore" brings a backup back, --force accepts the store all the same`);
  const tokens = [nowMs, snapshot.revision + (snapshot.storeAcceptance?.atMs ?? 0), doubtedTokens(needs)];
  const acceptance: StoreAcceptance = { atMs: Math.max(...tokens) + 1, by, of: clustersOf(needs), reason };
  return success({ guards, changes: [{ kind: 'put', key, value: encodeRecord(acceptance) }] });
}

/** The clusters whose machines are here: that of the store, and those that doubting machines remember. */
export function clustersOf({ mirror, trust }: Trusting): readonly string[] {
  const { schema, machines } = mirror.snapshot();
  const own = trust.known();
  const doubted = [...machines.values()].flatMap(({ doubt }) => (doubt === null ? [] : [doubt.cluster]));
  return [...new Set([...(schema === null ? [] : [schema.cluster]), ...(own === null ? [] : [own.cluster]), ...doubted])];
}

/** More than any fencing token that doubting machines have seen. */
export function doubtedTokens({ mirror, trust }: Trusting): number {
  const own = trust.known();
  const doubted = [...mirror.snapshot().machines.values()].map(({ doubt }) => doubt?.tokenBase ?? 0);
  return Math.max(own === null ? 0 : own.revision + own.acceptedAtMs, ...doubted);
}

/** A machine that doubts the store and has not told it yet what it runs; null when all have. This one is silent when it is kept out. */
function whoIsSilent({ trust, machineId }: Deciding, { snapshot }: Basis): string | null {
  const kind = trust.doubt()?.kind;
  const isKeptOut = kind !== 'wiped' && kind !== 'older';
  if (!isKeptOut && snapshot.machines.get(machineId as MachineId)?.doubt == null) return 'this machine';
  // With its first report a machine tells of its ports, too, whatever it runs (src/agent/reporter.ts).
  const silent = [...snapshot.machines.values()].find(({ id, doubt }) => doubt !== null && !snapshot.machinePorts.has(id));
  return silent === undefined ? null : machineName(silent);
}

/** Why units would stop; null when none would. */
function whatStops({ trust }: Trusting, { snapshot }: Basis): string | null {
  const known = trust.known();
  if (trust.doubt()?.kind === 'foreign') {
    return `this machine would leave the cluster ${nameOf(known?.cluster ?? '')} for ${nameOf(snapshot.schema?.cluster ?? '')} and stop every unit it runs`;
  }
  const stopping = [...snapshot.machines].filter(([, { doubt }]) => doubt !== null).flatMap(([id, machine]) => {
    const assigned = snapshot.assignments.get(id);
    const running = [...snapshot.statuses.get(id) ?? []].filter(([, { active }]) => isServing(active));
    return running.filter(([name]) => assigned?.has(name) !== true).map(([name]) => `${name} on ${machineName(machine)}`);
  });
  if (stopping.length === 0) return null;
  const more = stopping.length > namesMax ? ` and ${String(stopping.length - namesMax)} more` : '';
  return `the store does not have them where they run, so these would be stopped: ${stopping.slice(0, namesMax).join(', ')}${more}`;
}
