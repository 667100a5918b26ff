/** Units for the functional tests, and questions about them asked of the machines themselves and not of fleet. */
import assert from 'node:assert/strict';
import { members, type Cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import type { Machine } from './lab/machine.ts';

export { journalCursor, logged } from './lab/journal.ts';

/** A service that runs until it is stopped. */
export const sleeper = (placement = ''): string => `[Service]\nExecStart=/bin/sleep infinity\n\n[X-Fleet]\n${placement}\n`;

/** Runs a fleetctl that has to succeed. */
export async function done(fleetctl: Cluster['fleetctl'], ...args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await fleetctl(...args);
  assert.equal(code, 0, `fleetctl ${args.join(' ')}: ${stderr}${stdout}`);
}

/** Writes a unit file where fleetctl finds it. */
export async function writeUnit({ sh }: Cluster, name: string, text: string): Promise<void> {
  await sh(`cat >'${name}' <<'UNIT'\n${text}UNIT`);
}

/** Writes and starts; the start has to succeed. */
export async function startUnit(cluster: Cluster, name: string, text: string): Promise<void> {
  await writeUnit(cluster, name, text);
  const started = await cluster.fleetctl('start', name);
  assert.equal(started.code, 0, started.stderr + started.stdout);
}

/** Instances 1 to 4 of spread@.service, which the engine puts on the least loaded machine: one on each. */
export async function startOneOnEachMachine(cluster: Cluster): Promise<ReadonlyMap<string, Machine>> {
  await writeUnit(cluster, 'spread@.service', sleeper());
  const started = await cluster.fleetctl('start', 'spread@{1..4}.service');
  assert.equal(started.code, 0, started.stderr + started.stdout);
  const places = await placesOf(cluster);
  if (new Set(places.values()).size !== members.length) {
    const questions = [['list-machines', '--all'], ['list-units'], ['explain', 'spread@1.service']];
    const said = await Promise.all(questions.map((words) => cluster.fleetctl(...words)));
    assert.fail(`not each machine has one:\n${said.map(({ stdout, stderr }) => stdout + stderr).join('')}`);
  }
  return places;
}

/** Where list-units says that units are active. */
export async function placesOf({ fleetctl, machines }: Cluster): Promise<ReadonlyMap<string, Machine>> {
  const { stdout } = await fleetctl('list-units', '--no-legend', '--full', '--fields=unit,machine,active');
  const places = new Map<string, Machine>();
  for (const line of stdout.split('\n')) {
    const [unit = '', place = '', active] = line.split(/\t+/);
    const machine = machines.find(({ id }) => place.startsWith(id));
    if (machine !== undefined && active === 'active') places.set(unit, machine);
  }
  return places;
}

/** The last line of a unit's history: another one once it has been placed anew. */
export async function lastEvent({ fleetctl }: Cluster, unit: string): Promise<string> {
  return (await fleetctl('events', unit)).stdout.trimEnd().split('\n').at(-1) ?? '';
}

/** The unit on `machine`, of units that are one on each. */
export function unitOn(places: ReadonlyMap<string, Machine>, machine: Machine): string {
  const found = [...places].find(([, place]) => place === machine);
  assert(found, `no unit on ${machine.name}`);
  return found[0];
}

/** The main process of a unit as systemd there knows it; 0 when it does not run. */
export async function mainPid(machine: Machine, unit: string): Promise<number> {
  return Number(await machine.sh(`systemctl show -P MainPID '${unit}'`));
}

/** The main processes of all units, by unit and machine. */
export async function mainPids(places: ReadonlyMap<string, Machine>): Promise<readonly string[]> {
  return Promise.all([...places].map(async ([unit, machine]) => `${unit} ${machine.name} ${await mainPid(machine, unit)}`));
}

const readyz = async (machine: Machine): Promise<string> =>
  (await machine.exec(['curl', '-sS', '--unix-socket', '/run/fleet.sock', 'http://localhost/readyz'])).stdout;

/** Waits until /readyz of every machine says the words. */
export async function allSay({ machines }: Cluster, words: RegExp): Promise<void> {
  await until(async () => (await Promise.all(machines.map(readyz))).every((text) => words.test(text)),
    async () => `all machines say ${String(words)}: ${(await Promise.all(machines.map(readyz))).join('')}`);
}

/** The ids list-machines shows. */
export async function machineIds({ fleetctl }: Cluster): Promise<readonly string[]> {
  return (await fleetctl('list-machines', '--no-legend', '--full', '--fields=machine')).stdout.trim().split('\n');
}

/** Waits until a unit is in the copy a machine keeps of its assignments. */
export async function kept(machine: Machine, unit: string): Promise<void> {
  await until(async () => (await machine.exec(['grep', '-rqF', unit, '/var/lib/fleet'])).code === 0, `${machine.name} keeps ${unit} on its disk`);
}
