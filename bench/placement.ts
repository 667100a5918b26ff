/**
 * What placing costs, by the number of units and machines: all of them from nothing, one unit more, the loss of a hundredth of the machines.
 *   node bench/placement.ts [UNITS MACHINES]...
 * The units are those of a mixed cluster: templates that ask for a zone, that keep their instances apart (Conflicts), that follow others (MachineOf), that
 * want a port of a range, and that ask for memory and CPU, are spread over racks, limited for each machine, preferred somewhere, or packed.
 * Everything runs as in the leader: by the scheduler that remembers, in slices; a timer tells for how long the event loop was blocked.
 */
import { createSharedMap } from '../src/core/shared-map.ts';
import type { SharedMap } from '../src/core/shared-map.ts';
import type { ClusterSnapshot, KnownFile } from '../src/core/cluster.ts';
import { emptySnapshot } from '../src/core/cluster.ts';
import type { Machine, MachineId } from '../src/core/machine.ts';
import type { SchedulePlan } from '../src/core/schedule/decision.ts';
import { createScheduler } from '../src/core/schedule/scheduler.ts';
import { parseUnitFile, printUnitFile } from '../src/core/unit-file.ts';
import { hashUnitFile } from '../src/core/unit-hash.ts';
import type { Assignment, FileHash, UnitRecord } from '../src/core/unit.ts';
import type { UnitName } from '../src/core/unit-name.ts';
import { inSlices } from '../src/engine/slices.ts';
import { systemClock } from '../src/lib/system-clock.ts';

const zones = 8;
/** Of ten units, how many come from each template; log follows web. */
const templates: readonly (readonly [name: string, section: string])[] = [
  ['web', 'Port=http:20000-20999\n'], ['log', 'MachineOf=web@%i.service\n'], ['api', 'MachineMetadata=zone=z3\n'], ['job', ''],
  ['db', 'Conflicts=db@*.service\n'], ['stream', 'SpreadBy=rack\nMaxPerMachine=20\nCPU=0.25\n'], ['api', 'MachineMetadata=zone=z3\n'],
  ['cache', 'MachineMetadata=zone=z2\nPrefer=rack=r7\nMemory=256M\n'], ['batch', 'Memory=512M\nStrategy=pack\n'], ['job', ''],
];

interface Cluster {
  readonly machines: SharedMap<MachineId, Machine>;
  readonly files: SharedMap<FileHash, KnownFile>;
  readonly units: SharedMap<UnitName, UnitRecord>;
  readonly assignments: SharedMap<MachineId, ReadonlyMap<UnitName, Assignment>>;
  readonly inner: Map<MachineId, SharedMap<UnitName, Assignment>>;
  revision: number;
}

function clusterOf(unitCount: number, machineCount: number): Cluster {
  const cluster: Cluster = {
    machines: createSharedMap(), files: createSharedMap(), units: createSharedMap(), assignments: createSharedMap(), inner: new Map(), revision: 0,
  };
  for (let index = 0; index < machineCount; index += 1) {
    const id = index.toString(16).padStart(32, '0') as MachineId;
    cluster.machines.put(id, {
      id, publicIp: '', hostname: `host-${index}`, metadata: { zone: `z${index % zones}`, rack: `r${index % 100}` }, version: '', bootId: '',
      capacity: { cpus: 64, memoryBytes: 64 * 2 ** 30 }, peer: null, runner: 'systemd', store: 'etcd', startedAtMs: 0, ttlMs: 0, left: false,
      trouble: '', doubt: null, cordon: null, drain: null,
    });
  }
  const hashes = templates.map(([name, section]) => addFile(cluster, name, section));
  for (let index = 0; index < unitCount; index += 1) {
    const which = index % templates.length;
    // At most one db for each machine.
    const kind = which === 4 && index / templates.length >= machineCount ? 3 : which;
    const [name = ''] = templates[kind] ?? [];
    const hash = hashes[kind];
    if (hash === undefined) continue;
    const instance = name === 'web' || name === 'log' ? Math.floor(index / templates.length) : index;
    addUnit(cluster, `${name}@${instance}.service`, hash);
  }
  return cluster;
}

function addFile({ files }: Cluster, name: string, section: string): FileHash {
  const parsed = parseUnitFile(`[Unit]\nDescription=${name}\n[Service]\nExecStart=/bin/${name}\n[X-Fleet]\n${section}`);
  if (!parsed.ok) throw new Error(parsed.failure.message);
  const hash = hashUnitFile(parsed.value);
  files.put(hash, { hash, text: printUnitFile(parsed.value), file: parsed.value });
  return hash;
}

function addUnit({ units }: Cluster, name: string, hash: FileHash): void {
  // As if it came from the store: of one piece.
  units.put(Buffer.from(name).toString() as UnitName, {
    hash, desired: 'launched', generation: 1, restart: 0, reset: 0, release: 0, changedAtMs: 0, changedBy: '', adoptOn: null,
  });
}

function snapshotOf(cluster: Cluster): ClusterSnapshot {
  cluster.revision += 1;
  return {
    ...emptySnapshot, revision: cluster.revision, machines: cluster.machines.shared(), files: cluster.files.shared(), units: cluster.units.shared(),
    assignments: cluster.assignments.shared(), leader: { machine: '0'.repeat(32) as MachineId, sinceMs: 0 },
  };
}

/** Writes decisions down, as the engine's commits would. */
function carryOut(cluster: Cluster, { decisions }: SchedulePlan): void {
  const changed = new Set<MachineId>();
  const put = (machine: MachineId, name: UnitName, assignment: Assignment | null): void => {
    const inner = cluster.inner.get(machine) ?? createSharedMap<UnitName, Assignment>();
    cluster.inner.set(machine, inner);
    inner.put(name, assignment);
    changed.add(machine);
  };
  for (const decision of decisions) {
    if (decision.kind === 'move') put(decision.from, decision.unit, null);
    put(decision.machine, decision.unit, decision.kind === 'unassign' ? null : { ...decision.content, assignedAtMs: cluster.revision });
  }
  for (const machine of changed) {
    const inner = cluster.inner.get(machine);
    cluster.assignments.put(machine, inner === undefined || inner.size() === 0 ? null : inner.shared());
  }
}

interface Figure {
  readonly plan: SchedulePlan;
  readonly cpuMs: number;
  readonly wallMs: number;
  /** The longest that a timer of every 5 ms was late. */
  readonly blockedMs: number;
}

/** Runs one pass as the engine does. */
async function passOver(scheduler: ReturnType<typeof createScheduler>, snapshot: ClusterSnapshot): Promise<Figure> {
  let lastMs = performance.now();
  let blockedMs = 0;
  const tick = (): void => {
    const nowMs = performance.now();
    blockedMs = Math.max(blockedMs, nowMs - lastMs - 5);
    lastMs = nowMs;
  };
  const timer = setInterval(tick, 5);
  const [startMs, cpu] = [performance.now(), process.cpuUsage()];
  const plan = await inSlices(scheduler.plan(snapshot, { nowMs: 1 }), systemClock, new AbortController().signal);
  const wallMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(cpu);
  tick();
  clearInterval(timer);
  return { plan, cpuMs: (user + system) / 1_000, wallMs, blockedMs };
}

function say(what: string, { plan, cpuMs, wallMs, blockedMs }: Figure): void {
  const times = `${cpuMs.toFixed(2)} ms of CPU, ${wallMs.toFixed(2)} ms, loop blocked at most ${blockedMs.toFixed(0)} ms`;
  process.stdout.write(`  ${what}: ${plan.decisions.length} decisions, ${plan.unplaced.size} not placed; ${times}; ${rssMiB()} MiB RSS\n`);
}

function rssMiB(): string {
  return (process.memoryUsage().rss / 2 ** 20).toFixed(0);
}

async function measure(unitCount: number, machineCount: number): Promise<void> {
  const cluster = clusterOf(unitCount, machineCount);
  const scheduler = createScheduler();
  process.stdout.write(`${unitCount} units, ${machineCount} machines (${rssMiB()} MiB RSS before)\n`);
  const first = await passOver(scheduler, snapshotOf(cluster));
  say('from nothing', first);
  carryOut(cluster, first.plan);
  say('the same again, once it is carried out', await passOver(scheduler, snapshotOf(cluster)));
  const hash = addFile(cluster, 'one', 'MachineMetadata=zone=z1\n');
  for (let round = 1; round <= 5; round += 1) {
    addUnit(cluster, `one@${round}.service`, hash);
    const one = await passOver(scheduler, snapshotOf(cluster));
    say('one unit more', one);
    carryOut(cluster, one.plan);
    say('once it is carried out', await passOver(scheduler, snapshotOf(cluster)));
  }
  for (let lost = 0; lost < machineCount / 100; lost += 1) cluster.machines.put((lost * 100 + 7).toString(16).padStart(32, '0') as MachineId, null);
  const moved = await passOver(scheduler, snapshotOf(cluster));
  say('a hundredth of the machines lost', moved);
  carryOut(cluster, moved.plan);
  say('once it is carried out', await passOver(scheduler, snapshotOf(cluster)));
}

const asked = process.argv.slice(2).map(Number);
const sizes = asked.length > 0 ? asked : [1_000, 10, 10_000, 100];
for (let index = 0; index + 1 < sizes.length; index += 2) await measure(sizes[index] ?? 0, sizes[index + 1] ?? 0);
