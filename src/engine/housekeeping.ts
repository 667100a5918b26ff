/**
 * What a leader keeps beside assignments: the name of the cluster, the roster, the hold.
 * Promises: pure but for the memories of the mass loss guard and of the roster's watch; only what differs from the snapshot is written;
 * what is to be said is said by the caller once it is written.
 */
import { awaitedMachines, waitsWhy } from '../core/awaited.ts';
import type { ClusterSnapshot, Schema } from '../core/cluster.ts';
import type { Hold } from '../core/hold.ts';
import type { MachineId } from '../core/machine.ts';
import { shortMachineId } from '../core/machine.ts';
import type { RosterWatch } from '../core/roster.ts';
import type { Log } from '../lib/log.ts';
import { keys, schemaVersion } from '../store/keys.ts';
import { encodeRecord } from '../store/records.ts';
import type { CommitChange } from '../store/store.ts';
import type { Part, RevisionOf } from './commits.ts';
import type { MassLoss, Now } from './mass-loss.ts';

/** Names that a log line lists at most. */
const namesMax = 20;

export interface HousekeepingNeeds {
  readonly snapshot: ClusterSnapshot;
  readonly revisionOf: RevisionOf;
  readonly massLoss: MassLoss;
  readonly roster: RosterWatch;
  readonly now: Now;
  /** A random name, should the cluster have none. */
  readonly newName: () => string;
}

export interface Housekeeping {
  readonly parts: readonly Part[];
  /** Says what has changed; to be called once the parts are in the store. */
  readonly say: (log: Log) => void;
}

export function keepHouse(needs: HousekeepingNeeds): Housekeeping {
  const { snapshot, massLoss, now } = needs;
  const { hold, overWhy } = massLoss.judge(snapshot, now);
  const parts = [...schemaPart(needs), ...holdPart(snapshot.hold, hold), ...rosterParts(needs)];
  return { parts, say: (log) => sayHold(log, { before: snapshot.hold, after: hold, overWhy }) };
}

/** Machines whose units stay assigned to them for now, each with the reason. */
export function awaitedNow(snapshot: ClusterSnapshot, massLoss: MassLoss, now: Now): ReadonlyMap<MachineId, string> {
  const just = massLoss.justVanished(now.uptimeMs).map((id): [MachineId, string] => [id, waitsWhy(id, 'others may be vanishing, too')]);
  return new Map([...just, ...awaitedMachines(snapshot, now.nowMs)]);
}

/** Names the cluster, and says which layout the store has from now on; a newer one stays, for whoever went back by a version. */
function schemaPart({ snapshot, revisionOf, now, newName }: HousekeepingNeeds): readonly Part[] {
  const modRevision = revisionOf(keys.schema);
  const before = snapshot.schema;
  if (modRevision !== 0 && (before === null || before.version >= schemaVersion)) return [];
  const schema: Schema = { version: schemaVersion, cluster: before?.cluster ?? newName(), createdAtMs: before?.createdAtMs ?? now.nowMs };
  return [{ guards: [{ key: keys.schema, modRevision }], changes: [{ kind: 'put', key: keys.schema, value: encodeRecord(schema) }] }];
}

function holdPart(before: Hold | null, after: Hold | null): readonly Part[] {
  if (after === null) return before === null ? [] : [{ guards: [], changes: [{ kind: 'delete', key: keys.hold }] }];
  const value = encodeRecord(after);
  return before !== null && encodeRecord(before) === value ? [] : [{ guards: [], changes: [{ kind: 'put', key: keys.hold, value }] }];
}

function rosterParts({ snapshot, revisionOf, massLoss, roster, now }: HousekeepingNeeds): readonly Part[] {
  return [...roster.changes(snapshot, now.nowMs, massLoss.left())].map(([id, entry]): Part => {
    const key = keys.rosterEntry(id);
    if (entry !== null) return { guards: [], changes: [{ kind: 'put', key, value: encodeRecord(entry) }] };
    const override = keys.machineOverride(id);
    const deletes = [key, override].map((each): CommitChange => ({ kind: 'delete', key: each }));
    return { guards: [{ key: override, modRevision: revisionOf(override) }], changes: deletes };
  });
}

interface HoldChange {
  readonly before: Hold | null;
  readonly after: Hold | null;
  readonly overWhy: string | null;
}

function sayHold(log: Log, { before, after, overWhy }: HoldChange): void {
  if (before === null && after !== null) {
    const until = after.holdMs === null ? 'a person ends the hold' : `${String(after.holdMs / 1_000)} s are over`;
    log.warning(`hold: ${after.why}; their units stay assigned to them until all are back or ${until} (fleetctl hold --release ends it)`, {
      missing: namesOf(after.missing),
    });
  }
  if (before !== null && after === null) {
    log.warning(`the hold is over: ${overWhy ?? ''}; units of machines that are still missing move now`, { missing: namesOf(before.missing) });
  }
}

function namesOf(ids: readonly MachineId[]): string {
  const more = ids.length - namesMax;
  return `${ids.slice(0, namesMax).map(shortMachineId).join(',')}${more > 0 ? ` and ${String(more)} more` : ''}`;
}
