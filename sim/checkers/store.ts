/** Promises about what stands in the store: who wrote it, under which fence, and that it is what everybody sees. */
import type { ClusterSnapshot } from '../../src/core/cluster.ts';
import type { FileHash } from '../../src/core/unit.ts';
import type { UnitName } from '../../src/core/unit-name.ts';
import { parseStoredFleetSection } from '../../src/core/fleet-section.ts';
import { keys } from '../../src/store/keys.ts';
import type { KeyMeaning } from '../../src/store/keys.ts';
import type { Mirror } from '../../src/store/mirror.ts';
import type { KeyChange } from '../chronicle.ts';
import type { FleetdPart } from '../fleetd.ts';
import type { SimProcess } from '../process.ts';
import type { Checker, Court } from '../witness.ts';
import type { Author } from '../wire.ts';

type Kind = KeyMeaning['kind'];
/** Whether this part may make this change; the machine a key belongs to is compared for all. */
type MayWrite = (part: FleetdPart, change: KeyChange) => boolean;
const only =
  (...parts: readonly FleetdPart[]): MayWrite =>
  (part) =>
    parts.includes(part);

/** Who may write what: design of src/store/keys.ts, said a second time and in another way. */
const writers: Readonly<Record<Kind, MayWrite>> = {
  'unit-file': (part, { after }) => part === (after.value === null ? 'engine' : 'api'),
  unit: only('api', 'engine'), // The engine proceeds with releases.
  assignment: only('engine'),
  machine: only('agent'),
  'machine-override': (part, { after }) => part === 'api' || (part === 'engine' && after.value === null),
  status: only('agent'),
  'unit-history': only('engine'),
  'machine-history': only('engine'),
  operation: only('api'),
  'operation-part': only('api'),
  release: only('api', 'engine'),
  'roster-entry': only('engine'),
  hold: only('engine'),
  'hold-order': only('api'),
  'store-acceptance': only('api'),
  rebalance: (part, { after }) => part === 'api' || (part === 'engine' && after.value === null),
  restore: only('api'),
  'port-pool': only('api'),
  'port-cursors': only('engine'),
  'machine-ports': only('agent'),
  'former-ports': only('engine'),
  registration: only('agent'),
  leader: only('engine'),
  schema: only('engine'),
};

/** Keys that belong to the machine in their name. */
const ofMachine: readonly Kind[] = ['machine', 'status', 'machine-ports', 'registration'];

export const oneWriter: Checker = {
  name: 'one-writer',
  promise: 'a key is written only by the part that owns it (promise 1)',
  begin: ({ broken }) => ({
    moment({ changes, author, revision }): void {
      for (const change of changes) {
        const why = author === null ? whyNotByLease(change) : whyNotBy(change, author);
        if (why !== null) broken(`${change.key} at revision ${String(revision)}: ${why}`);
      }
    },
  }),
};

function whyNotByLease({ before, after }: KeyChange): string | null {
  return before.leaseId !== null && after.value === null
    ? null
    : 'changed without a commit, and no lease of its own has ended';
}

function whyNotBy(change: KeyChange, { part, process }: Author): string | null {
  const { meaning } = change;
  if (meaning === null) return `written by ${process.name} (${part}), and nobody knows such a key`;
  if (!writers[meaning.kind](part, change)) return `written by the ${part} of ${process.name}`;
  const isOther = ofMachine.includes(meaning.kind) && 'machine' in meaning && meaning.machine !== process.machine;
  return isOther ? `written by another machine, ${process.name}` : null;
}

export const leaderOnly: Checker = {
  name: 'leader-only',
  promise: 'an engine writes only while the leader key is its own (promise 3)',
  begin: ({ chronicle, broken }) => ({
    moment({ changes, author, revision }): void {
      if (author?.part !== 'engine' || changes.every(({ meaning }) => meaning?.kind === 'leader')) return;
      const leader = chronicle.at(keys.leader, revision - 1);
      if (leader.value !== null && leader.author?.process === author.process) return;
      const who = leader.value === null ? 'nobody led' : `${leader.author?.process.name ?? 'somebody'} led`;
      broken(`${author.process.name} wrote ${changes[0]?.key ?? ''} at revision ${String(revision)} while ${who}`);
    },
  }),
};

export const oneMachine: Checker = {
  name: 'one-machine',
  promise: 'a unit that is not global has at most one assignment (promise 2)',
  begin: ({ broken }) => ({
    moment({ changes, after, revision }): void {
      for (const { meaning } of changes) {
        if (meaning?.kind !== 'assignment') continue;
        const machines = [...after.assignments]
          .filter(([, units]) => units.has(meaning.name))
          .map(([machine]) => machine);
        if (machines.length > 1 && !isGlobal(after, meaning.name)) {
          broken(`${meaning.name} is assigned to ${machines.join(' and ')} at revision ${String(revision)}`);
        }
      }
    },
  }),
};

/** Whether a unit is global by its record, or by the files of its assignments while an older one still runs. */
function isGlobal({ units, files, assignments }: ClusterSnapshot, name: UnitName): boolean {
  const hashes = [units.get(name)?.hash, ...[...assignments.values()].map((ofOne) => ofOne.get(name)?.hash)];
  return hashes.some((hash) => {
    const known = hash === undefined ? undefined : files.get(hash);
    const section = known === undefined ? null : parseStoredFleetSection(name, known.file);
    return section?.ok === true && section.value.global;
  });
}

export const filesInUseStay: Checker = {
  name: 'files-in-use-stay',
  promise: 'no unit file that a unit or an assignment names is deleted (promise 10)',
  begin: ({ broken }) => ({
    moment({ changes, after }): void {
      for (const {
        meaning,
        after: { value },
      } of changes) {
        if (meaning?.kind !== 'unit-file' || value !== null) continue;
        const user = userOf(after, meaning.hash);
        if (user !== null) broken(`the file ${meaning.hash.slice(0, 7)} was deleted while ${user} uses it`);
      }
    },
  }),
};

function userOf({ units, assignments }: ClusterSnapshot, hash: FileHash): string | null {
  const named = [...units, ...[...assignments.values()].flatMap((ofOne) => [...ofOne])].find(
    ([, record]) => record.hash === hash,
  );
  return named?.[0] ?? null;
}

export const mirrorsAreTrue: Checker = {
  name: 'mirrors-are-true',
  promise: 'a mirror is the store at exactly one revision, whatever breaks its watch',
  begin(court) {
    const checked = new Map<SimProcess, number>();
    const fresh = new Set<SimProcess>();
    return {
      heard(process, part): void {
        if (part === 'mirror') fresh.add(process);
      },
      step(): void {
        for (const process of fresh) {
          const running = court.machines.find(({ id }) => id === process.machine)?.running();
          const { mirror, trust } = running?.process === process ? running.fleetd : { mirror: null, trust: null };
          // What it has heard of a store that may only have to catch up it does not know yet, and a doubted one is another.
          if (mirror?.freshness().current === false || (trust?.doubt() ?? null) !== null) continue;
          fresh.delete(process);
          if (mirror === null) continue;
          const upTo = mirror.snapshot().revision;
          compareMirror(court, { name: process.name, mirror }, { from: checked.get(process) ?? 0, upTo });
          checked.set(process, upTo);
        }
      },
    };
  },
};

function compareMirror(
  { chronicle, broken }: Court,
  { name, mirror }: { readonly name: string; readonly mirror: Mirror },
  { from, upTo }: { readonly from: number; readonly upTo: number },
): void {
  for (const key of chronicle.changedKeys(from, upTo)) {
    const version = chronicle.at(key, upTo);
    const [known, real] = [mirror.modRevision(key), version.value === null ? 0 : version.revision];
    if (known === real) continue;
    broken(`the mirror of ${name} at revision ${upTo} has ${key} of revision ${known}, the store ${real}`);
  }
}

export const acknowledgedIsDurable: Checker = {
  name: 'acknowledged-is-durable',
  promise:
    'what a request was answered for stood in the store by then, and only another request changes it (promise 10)',
  begin: ({ chronicle, broken }) => ({
    acknowledged({ process, asked, revision, claims }): void {
      for (const { key, says, holds } of claims) {
        if (chronicle.between(key, asked, revision).some(({ value }) => holds(value))) continue;
        broken(`${process.name} answered that ${key} is ${says}, which it was not in the store then`);
      }
    },
  }),
};

export const storeIsTrusted: Checker = {
  name: 'store-is-trusted',
  promise: 'no machine doubts a store that was neither wiped nor put back from a copy, whatever breaks',
  begin({ machines, server, broken }) {
    const look = (): void => {
      for (const machine of machines) {
        const running = machine.running();
        const doubt = running?.fleetd.trust.doubt() ?? null;
        if (doubt !== null) broken(`${running?.process.name ?? ''} doubts the store: ${doubt.why}`);
      }
    };
    return {
      step(): void {
        if (server.era() === 0) look();
      },
      // When the right store is back, every doubt ends by itself.
      rest: look,
    };
  },
};

export const wrongStoreIsLeftAlone: Checker = {
  name: 'wrong-store-is-left-alone',
  promise: 'who hears a store that was wiped or put back doubts it before it takes it for current; nothing is decided in it (promise 14)',
  begin({ machines, server, broken }) {
    const heard = new Map<SimProcess, number>();
    return {
      strange({ process, part }, met): void {
        const hasHeard = heard.get(process) === server.era();
        if ('prefix' in met) {
          if (part === 'mirror' && met.prefix === '') heard.set(process, server.era());
        } else if (part === 'engine' && hasHeard && met.commit.changes.length > 0) {
          broken(`the engine of ${process.name} writes ${met.commit.changes[0]?.key ?? ''} to a wrong store`);
        }
      },
      step(): void {
        if (server.isRight()) return;
        for (const machine of machines) {
          const running = machine.running();
          if (running === null || heard.get(running.process) !== server.era()) continue;
          const { mirror, trust } = running.fleetd;
          if (trust.doubt() === null && mirror.freshness().current) broken(`${running.process.name} takes a wrong store for its cluster's`);
        }
      },
    };
  },
};
