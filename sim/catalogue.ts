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
  unit(`web@${String(index)}.service`, { fleet: ['Conflicts=web@*.service'], startMs: 500 }),
);

export const catalogue: readonly CatalogueUnit[] = [
  unit('plain-1.service'),
  unit('plain-2.service', { startMs: 3_000, stopMs: 2_000 }),
  unit('plain-slow.service', { startMs: 20_000, stopMs: 40_000 }),
  // It hangs in stopping until its manager kills it after TimeoutStopSec=.
  unit('plain-hangs.service', { stopMs: 90_000 }),
  unit('plain-fails.service', { runMs: 2_000, exitStatus: 3 }),
  unit('plain-flaps.service', { runMs: 20_000, exitStatus: 1, restartAfterMs: 5_000 }),
  unit('plain-once.service', { service: ['Type=oneshot', 'ExecStart=/bin/sleep 5'], oneshot: true, runMs: 5_000 }),
  unit('database.service', { fleet: ['MachineMetadata=role=db'], stopMs: 5_000 }),
  unit('main.service', { stopMs: 1_000 }),
  unit('side.service', { fleet: ['MachineOf=main.service'] }),
  unit('old.service', { fleet: ['Conflicts=never-*.service'] }),
  unit('new.service', { fleet: ['Replaces=old.service'] }),
  unit('everywhere.service', { fleet: ['Global=true'] }),
  ...web,
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
