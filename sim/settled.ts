/**
 * Whether a cluster has come to rest where it should: all that was asked for is done, and everybody knows it.
 * Promises: each thing that is not as it should be is one line that names it; an empty list is what liveness asks for.
 */
import { explain } from '../src/core/schedule/explain.ts';
import { schedule } from '../src/core/schedule/schedule.ts';
import type { Assignment } from '../src/core/unit.ts';
import { notStarted } from '../src/core/unit.ts';
import type { UnitName } from '../src/core/unit-name.ts';
import { isTemplate } from '../src/core/unit-name.ts';
import { behaviourOf, isDown } from '../src/runner/fake-machine.ts';
import type { FakeUnit } from '../src/runner/fake-machine.ts';
import { keys } from '../src/store/keys.ts';
import type { Chronicle } from './chronicle.ts';
import type { SimulatedMachine } from './machine.ts';
import type { World } from './world.ts';

interface Cluster {
  readonly chronicle: Chronicle;
  readonly machines: readonly SimulatedMachine[];
  readonly world: Pick<World, 'asked'>;
}

/** What is not yet as it should be. */
export function unsettled(cluster: Cluster): readonly string[] {
  const machines = cluster.machines.flatMap((machine) => unsettledMachine(cluster, machine));
  const asked = [...cluster.world.asked].filter(({ process }) => process.state() !== 'dead');
  const unanswered = asked.map(({ process }) => `${process.name} has not answered a request`);
  return [...machines, ...unanswered, ...unsettledEngine(cluster), ...unsettledStore(cluster)];
}

function unsettledMachine({ chronicle }: Cluster, machine: SimulatedMachine): readonly string[] {
  const running = machine.running();
  if (running === null) return [`${machine.id} runs no fleetd`];
  const { agent, mirror } = running.fleetd;
  const found: string[] = [];
  if (agent.presence.state !== 'present') found.push(`${machine.id} is ${agent.presence.state}: ${agent.presence.why}`);
  const trouble = chronicle.snapshot().machines.get(machine.id)?.trouble ?? '';
  if (trouble !== '') found.push(`${machine.id} can take no units: ${trouble}`);
  if (!chronicle.snapshot().machines.has(machine.id)) found.push(`${machine.id} is not in the store`);
  if (!mirror.freshness().current) found.push(`the mirror of ${machine.id} is not current: ${mirror.freshness().why}`);
  if (mirror.snapshot().revision < chronicle.revision()) found.push(`the mirror of ${machine.id} is behind the store`);
  return [...found, ...unsettledUnits(chronicle, machine)];
}

/** What is on a machine, compared with what is assigned to it and with what the store says of it. */
function unsettledUnits(chronicle: Chronicle, machine: SimulatedMachine): readonly string[] {
  const snapshot = chronicle.snapshot();
  const assigned = snapshot.assignments.get(machine.id) ?? new Map<UnitName, Assignment>();
  const statuses = snapshot.statuses.get(machine.id) ?? new Map<UnitName, never>();
  const names = new Set([...assigned.keys(), ...machine.units.units.keys(), ...statuses.keys()]);
  return [...names].flatMap((name): readonly string[] => {
    const [assignment, unit, status] = [assigned.get(name), machine.units.units.get(name), statuses.get(name)];
    const at = `${name} on ${machine.id}`;
    if (assignment === undefined)
      return unit === undefined ? [`${at} has a status and is not there`] : [`${at} is not assigned and still there`];
    if (unit === undefined) return [`${at} is assigned and not there`];
    const isToldDone = assignment.finished && assignment.desired === 'launched' && unit.restart === notStarted;
    const restart = isToldDone ? assignment.restart : unit.restart;
    const isStale = status?.active !== unit.active || status.mainPid !== unit.mainPid || status.restart !== restart;
    return [
      ...whyNotAsWanted(assignment, unit).map((why) => `${at} ${why}`),
      ...(isStale ? [`${at} is ${unit.active}, the store says ${status?.active ?? 'nothing'}`] : []),
    ];
  });
}

function whyNotAsWanted({ hash, desired, restart, reset, finished }: Assignment, unit: FakeUnit): readonly string[] {
  if (unit.reset !== reset) return [`has carried out reset ${String(unit.reset)}, not ${String(reset)}`];
  if (unit.rendered.hash !== hash) return ['has another file than assigned'];
  if (desired === 'loaded')
    return isDown(unit) && unit.restart === notStarted ? [] : [`is ${unit.active}, it is wanted loaded`];
  if (finished) return isDown(unit) ? [] : [`is ${unit.active}, it has run to its end before`];
  if (unit.succeeded) return ['has run to its end, which is not noted in its assignment'];
  if (unit.restart !== restart) return [`has carried out restart ${String(unit.restart)}, not ${String(restart)}`];
  if (unit.known.renderedHash !== unit.rendered.renderedHash) return ['runs an older rendering'];
  if (unit.active === 'activating' && behaviourOf(unit).oneshot === true) return ['has not run to its end'];
  return unit.active === 'deactivating' ? ['is still stopping'] : [];
}

function unsettledEngine({ chronicle, machines }: Cluster): readonly string[] {
  const snapshot = chronicle.snapshot();
  const found: string[] = [];
  const leaders = machines.filter((machine) => machine.running()?.fleetd.engine.role === 'leading').map(({ id }) => id);
  if (leaders.length !== 1) found.push(`${String(leaders.length)} engines lead: ${leaders.join(', ')}`);
  if (snapshot.rebalance !== null) found.push('a rebalance goes on');
  const plan = schedule(snapshot);
  for (const { kind, unit, why } of plan.decisions) found.push(`to be decided: ${kind} ${unit}: ${why}`);
  const placed = new Set([...snapshot.assignments.values()].flatMap((units) => [...units.keys()]));
  for (const [name, { desired }] of snapshot.units) {
    if (desired === 'inactive' || isTemplate(name) || placed.has(name)) continue;
    if (explain(snapshot, name).summary === '') found.push(`${name} has no machine, and nobody says why`);
  }
  return found;
}

function unsettledStore({ chronicle }: Cluster): readonly string[] {
  const { units, files, unreadable, assignments, releases } = chronicle.snapshot();
  const placed = [...assignments.values()].flatMap((ofOne) => [...ofOne.values()]);
  const used = new Set([...units.values(), ...placed].map(({ hash }) => hash));
  const kept = new Set([...releases.values()].flatMap(({ generations }) => generations.map(({ hash }) => hash)));
  return [
    ...[...used]
      .filter((hash) => !files.has(hash))
      .map((hash) => `the file ${hash.slice(0, 7)} is used and not in the store`),
    ...[...files.keys()]
      .filter((hash) => !used.has(hash) && !kept.has(hash))
      .map((hash) => `the file ${hash.slice(0, 7)} is not used and still in the store`),
    ...[...unreadable.keys()].map((key) => `${key} cannot be read`),
    ...[...releases].flatMap(([name, { state, paused }]) =>
      (state === 'rolling' || state === 'rolling-back') && !paused ? [`the release of ${name} is still under way`] : [],
    ),
    ...(chronicle.at(keys.operation, Infinity).value === null ? [] : ['a large request is not finished']),
  ];
}
