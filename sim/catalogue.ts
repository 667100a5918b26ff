/**
 * The units that simulated people submit, and how each behaves when it runs.
 * Promises: a plain unit (no [X-Fleet] section) is never pushed off its machine by another one, so checkers may hold it
 * to that.
 */
import type { UnitName } from '../src/core/unit-name.ts';
import type { FakeBehaviour } from '../src/runner/fake-machine.ts';

/** One unit of the catalogue. */
export interface CatalogueUnit {
  readonly name: UnitName;
  /** Lines of its [X-Fleet] section. */
  readonly fleet: readonly string[];
  readonly service: readonly string[];
  readonly behaviour: FakeBehaviour;
}

interface Traits extends FakeBehaviour {
  readonly fleet?: readonly string[];
  readonly service?: readonly string[];
}

const runsForEver = ['ExecStart=/bin/sleep infinity'];

const unit = (name: string, { fleet = [], service = runsForEver, ...behaviour }: Traits = {}): CatalogueUnit => ({
  name: name as UnitName,
  fleet,
  service,
  behaviour,
});

/** Instances of one template that avoid each other. */
const web = [1, 2, 3, 4].map((index) =>
  unit(`web@${index}.service`, { fleet: ['Conflicts=web@*.service'], startMs: 500 }),
);
/** Instances that draw ports from one range, which is too small for all of them on one machine. */
const ported = [1, 2, 3].map((index) => unit(`ported@${index}.service`, { fleet: ['Port=http:8000-8001'] }));
const [stops, runs] = ['TimeoutStopSec=10s', 'ExecStart=/bin/sleep infinity'];

export const catalogue: readonly CatalogueUnit[] = [
  unit('plain-1.service'),
  unit('plain-2.service', { startMs: 3_000, stopMs: 2_000 }),
  unit('plain-slow.service', { startMs: 20_000, stopMs: 40_000 }),
  // It hangs in stopping until its manager kills it after TimeoutStopSec=.
  unit('plain-hangs.service', { stopMs: 90_000 }),
  unit('plain-fails.service', { runMs: 2_000, exitStatus: 3 }),
  unit('plain-flaps.service', { runMs: 20_000, exitStatus: 1, restartAfterMs: 5_000 }),
  unit('plain-once.service', { service: ['Type=oneshot', 'ExecStart=/bin/sleep 5'], oneshot: true, runMs: 5_000 }),
  // Delays vary by a quarter: it never takes longer to stop than its manager lets it.
  unit('fenced-1.service', { fleet: ['OnMachineLost=stop'], service: [stops, runs], stopMs: 8_000, startMs: 1_000 }),
  unit('fenced-2.service', { fleet: ['OnMachineLost=stop', 'LostAfter=45s'], service: [stops, runs], stopMs: 500 }),
  unit('fenced-3.service', { fleet: ['OnMachineLost=stop', 'Port=main:9000-9001'], service: [stops, runs] }),
  unit('database.service', { fleet: ['MachineMetadata=role=db'], stopMs: 5_000 }),
  unit('main.service', { stopMs: 1_000 }),
  unit('side.service', { fleet: ['MachineOf=main.service'] }),
  unit('old.service', { fleet: ['Conflicts=never-*.service'] }),
  unit('new.service', { fleet: ['Replaces=old.service'] }),
  unit('everywhere.service', { fleet: ['Global=true'] }),
  unit('drains.service', { fleet: ['DrainTime=10s', 'HealthCheck=tcp:127.0.0.1:80', 'HealthInterval=2s'] }),
  unit('sole.service', { fleet: ['Port=http:8000-8003', 'PortScope=cluster'] }),
  ...web,
  ...ported,
];

/** What releases and scaling are about: templates, and a unit that is no instance of one. */
export const released: readonly CatalogueUnit[] = [
  unit('web@.service', { fleet: ['Conflicts=web@*.service'] }),
  unit('ported@.service', { fleet: ['Port=http:8000-8001'] }),
  unit('drains.service', { fleet: ['DrainTime=10s', 'HealthCheck=tcp:127.0.0.1:80', 'HealthInterval=2s'] }),
];

/** The text of a unit in one of its versions. */
export function textOf({ fleet, service }: CatalogueUnit, version: number): string {
  const section = fleet.length === 0 ? [] : ['[X-Fleet]', ...fleet];
  return ['[Unit]', `Description=version ${String(version)}`, '[Service]', ...service, ...section, ''].join('\n');
}

export const behaviours: ReadonlyMap<UnitName, FakeBehaviour> = new Map(
  catalogue.map(({ name, behaviour }) => [name, behaviour]),
);

/** More units than one commit takes: a request for all of them is a stored operation. */
export const crowd: readonly UnitName[] = Array.from(
  { length: 66 },
  (_, index) => `crowd@${String(index + 1)}.service` as UnitName,
);
