/**
 * How long placing takes from nothing, by the number of units and machines.
 *   node bench/placement.ts [UNITS MACHINES]...
 * The units are those of a mixed cluster: templates that ask for a zone, that keep their instances apart (Conflicts), that follow others (MachineOf), that
 * want a port of a range, and that ask for memory and CPU, are spread over racks, limited for each machine, preferred somewhere, or packed.
 */
import type { ClusterSnapshot, KnownFile } from '../src/core/cluster.ts';
import { emptySnapshot } from '../src/core/cluster.ts';
import type { Machine, MachineId } from '../src/core/machine.ts';
import { schedule } from '../src/core/schedule/schedule.ts';
import { parseUnitFile, hashUnitFile, printUnitFile } from '../src/core/unit-file.ts';
import type { FileHash, UnitRecord } from '../src/core/unit.ts';
import type { UnitName } from '../src/core/unit-name.ts';

const zones = 8;
/** Of ten units, how many come from each template; log follows web. */
const templates: readonly (readonly [name: string, section: string])[] = [
  ['web', 'Port=http:20000-20999\n'], ['log', 'MachineOf=web@%i.service\n'], ['api', 'MachineMetadata=zone=z3\n'], ['job', ''],
  ['db', 'Conflicts=db@*.service\n'], ['stream', 'SpreadBy=rack\nMaxPerMachine=20\nCPU=0.25\n'], ['api', 'MachineMetadata=zone=z3\n'],
  ['cache', 'MachineMetadata=zone=z2\nPrefer=rack=r7\nMemory=256M\n'], ['batch', 'Memory=512M\nStrategy=pack\n'], ['job', ''],
];

function clusterOf(unitCount: number, machineCount: number): ClusterSnapshot {
  const machines = new Map<MachineId, Machine>();
  for (let index = 0; index < machineCount; index += 1) {
    const id = index.toString(16).padStart(32, '0') as MachineId;
    machines.set(id, {
      id, publicIp: '', hostname: `host-${index}`, metadata: { zone: `z${index % zones}`, rack: `r${index % 100}` }, version: '', bootId: '',
      capacity: { cpus: 64, memoryBytes: 64 * 2 ** 30 }, peer: null, runner: 'systemd', store: 'etcd', startedAtMs: 0, ttlMs: 0, left: false,
    trouble: '', cordon: null, drain: null,
    });
  }
  const files = new Map<FileHash, KnownFile>();
  const hashes = templates.map(([name, section]) => {
    const parsed = parseUnitFile(`[Unit]\nDescription=${name}\n[Service]\nExecStart=/bin/${name}\n[X-Fleet]\n${section}`);
    if (!parsed.ok) throw new Error(parsed.failure.message);
    const hash = hashUnitFile(parsed.value);
    files.set(hash, { hash, text: printUnitFile(parsed.value), file: parsed.value });
    return hash;
  });
  const units = new Map<UnitName, UnitRecord>();
  for (let index = 0; index < unitCount; index += 1) {
    const which = index % templates.length;
    // At most one db for each machine.
    const kind = which === 4 && index / templates.length >= machineCount ? 3 : which;
    const [name = ''] = templates[kind] ?? [];
    const hash = hashes[kind];
    if (hash === undefined) continue;
    const instance = name === 'web' || name === 'log' ? Math.floor(index / templates.length) : index;
    units.set(`${name}@${instance}.service` as UnitName, {
      hash, desired: 'launched', generation: 1, restart: 0, reset: 0, release: 0, changedAtMs: 0, changedBy: '', adoptOn: null,
    });
  }
  return { ...emptySnapshot, revision: 1, machines, files, units, leader: { machine: '0'.repeat(32) as MachineId, sinceMs: 0 } };
}

function measure(unitCount: number, machineCount: number): void {
  const snapshot = clusterOf(unitCount, machineCount);
  const startMs = performance.now();
  const plan = schedule(snapshot, { nowMs: 1 });
  const tookMs = performance.now() - startMs;
  const placed = plan.decisions.filter(({ kind }) => kind === 'assign').length;
  const memoryMb = process.memoryUsage().rss / 2 ** 20;
  const size = `${unitCount} units, ${machineCount} machines`;
  process.stdout.write(`${size}: ${placed} placed, ${plan.unplaced.size} not, ${tookMs.toFixed(0)} ms, ${memoryMb.toFixed(0)} MiB RSS\n`);
}

const asked = process.argv.slice(2).map(Number);
const sizes = asked.length > 0 ? asked : [1_000, 10, 10_000, 100];
for (let index = 0; index + 1 < sizes.length; index += 2) measure(sizes[index] ?? 0, sizes[index + 1] ?? 0);
