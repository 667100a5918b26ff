/**
 * Keeps etcd fit for a fleet: looks at its size and its alarms, and throws old history away, which etcd never does by itself.
 * Promises: one machine of the cluster compacts, the one that leads; at least one whole interval of history stays, so that whoever
 * follows in time notices nothing, and who does not lists again; trouble is logged once when it begins and once when it ends, and
 * disturbs nothing else.
 */
import { withDeadline } from '../../lib/deadline.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { isStoreTrouble } from '../lease-keeper.ts';
import type { Revision } from '../store.ts';
import type { EtcdStatus } from './maintenance.ts';
import type { EtcdStore } from './etcd-store.ts';

/** How often size and alarms are looked at where the engine leads, and elsewhere: what people hear about a full database may be this old. */
const lookMs = 10_000;
const lookElsewhereMs = 20_000;
const answerMsMax = 5_000;

/** What is known of etcd, for /metrics, /readyz and fleetctl. Written by the upkeep alone. */
export interface EtcdHealth {
  /** What the member in use last said; null before it has. */
  status: EtcdStatus | null;
  compactions: number;
  /** Everything before this revision has been thrown away by this process; 0 before it did. */
  compactedTo: number;
}

export function createEtcdHealth(): EtcdHealth {
  return { status: null, compactions: 0, compactedTo: 0 };
}

export interface UpkeepNeeds {
  readonly store: Pick<EtcdStore, 'status' | 'compact'>;
  readonly health: EtcdHealth;
  /** Whether the engine of this process leads. */
  readonly leads: () => boolean;
  /** Whether any engine leads; a full database may keep all of them from it. */
  readonly hasLeader: () => boolean;
  /** From one compaction to the next, and how much history stays at least; Infinity: this fleet never compacts. */
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is wrong with etcd, in lines for people; empty when nothing is. */
export function etcdTroubles({ status }: EtcdHealth): readonly string[] {
  return (status?.alarms ?? []).map((alarm) => alarmTexts[alarm]);
}

const alarmTexts: Readonly<Record<EtcdStatus['alarms'][number], string>> = {
  NOSPACE: 'etcd takes no changes, its database is full (alarm NOSPACE): units run on; compact it, run "etcdctl defrag" on each ' +
    'member, then "etcdctl alarm disarm", or raise its --quota-backend-bytes',
  CORRUPT: 'etcd takes no changes, the data of a member are corrupt (alarm CORRUPT): units run on; replace that member',
};

/** Looks and compacts until the signal is aborted. */
export async function keepEtcd(needs: UpkeepNeeds, signal: AbortSignal): Promise<void> {
  const { clock, intervalMs } = needs;
  const troubles = createTroubleLog(needs.log);
  /** A revision that was reached at least one interval ago, and when the next one is due. */
  let mark: { readonly revision: Revision; readonly dueMs: number } | null = null;
  while (!signal.aborted) {
    try {
      const status = await withDeadline({ clock, limitMs: answerMsMax, signal }, (late) => needs.store.status(late));
      needs.health.status = status;
      troubles.tell(status.alarms);
      const isFull = status.alarms.includes('NOSPACE');
      const isMine = needs.leads() || (isFull && !needs.hasLeader());
      if (mark !== null && clock.uptimeMs() >= mark.dueMs) {
        if (isMine) await compact(needs, mark.revision, signal);
        mark = null;
      }
      mark ??= { revision: status.revision, dueMs: clock.uptimeMs() + intervalMs };
      troubles.over();
    } catch (error) {
      if (signal.aborted) return;
      if (!isStoreTrouble(error)) throw error;
      troubles.begin(error.message);
    }
    await clock.sleep(Math.min(needs.leads() ? lookMs : lookElsewhereMs, intervalMs), signal).catch(() => undefined); // Aborted: the loop ends.
  }
}

async function compact({ store, health, clock, log }: UpkeepNeeds, revision: Revision, signal: AbortSignal): Promise<void> {
  await withDeadline({ clock, limitMs: answerMsMax, signal }, (late) => store.compact(revision, late));
  health.compactions += 1;
  health.compactedTo = revision;
  log.debug('compacted the history of etcd', { before: revision });
}

interface TroubleLog {
  tell(alarms: EtcdStatus['alarms']): void;
  begin(why: string): void;
  over(): void;
}

/** Says what changes, not what stays. */
function createTroubleLog(log: Log): TroubleLog {
  let known: EtcdStatus['alarms'] = [];
  let isAway = false;
  return {
    tell(alarms): void {
      for (const alarm of alarms) if (!known.includes(alarm)) log.error(alarmTexts[alarm]);
      for (const alarm of known) if (!alarms.includes(alarm)) log.info(`etcd takes changes again, the alarm ${alarm} is over`);
      known = alarms;
    },
    begin(why): void {
      if (!isAway) log.debug(`cannot look at size and alarms of etcd: ${why}`);
      isAway = true;
    },
    over(): void {
      isAway = false;
    },
  };
}
