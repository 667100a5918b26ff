/**
 * Runs units by systemd, over D-Bus (docs/design/runner-systemd.md).
 * Promises: the contract of runner.ts; no unit is polled; trouble with systemd or its bus is RunnerUnavailable within a bounded
 * time, and never touches a unit.
 */
import { isAbsolute, join } from 'node:path';
import type { UnitName } from '../../core/unit-name.ts';
import { notStarted } from '../../core/unit.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { whyUnwritable } from '../file-trouble.ts';
import { RunnerUnavailable } from '../runner.ts';
import type { Observation, ResetRequest, RunnerProblem, StartRequest, UnitInspector, UnitRunner } from '../runner.ts';
import { BusError } from './bus-connection.ts';
import type { BusAddress } from './bus-connection.ts';
import { createBusLink } from './bus-link.ts';
import { openRunRecords } from './run-record.ts';
import type { RunRecords } from './run-record.ts';
import { tryWriting } from './staged-file.ts';
import { createSystemdManager, noSuchUnit } from './systemd-manager.ts';
import type { SystemdManager } from './systemd-manager.ts';
import { openSystemdFence } from './systemd-fence.ts';
import { createUnitInspector } from './unit-inspector.ts';
import { createUnitLoader } from './unit-loader.ts';
import type { UnitLoader } from './unit-loader.ts';
import { openUnitMemories } from './unit-memory.ts';
import type { UnitMemories } from './unit-memory.ts';
import { createUnitProblems } from './unit-problems.ts';
import { isDown, isUnlinked, observationOf } from './unit-view.ts';
import { createUnitWatch } from './unit-watch.ts';
import type { UnitWatch } from './unit-watch.ts';

export interface SystemdRunnerOptions {
  /** Where unit files lie: "/run/fleet/units" unless the configuration says otherwise. Absolute. */
  readonly unitsDirectory: string;
  /** Where the runner keeps what it must remember of loaded units. Absolute; may be emptied by a reboot as the units are. */
  readonly stateDirectory: string;
  /** The user's own systemd instance instead of the system's. */
  readonly user: boolean;
  /** $XDG_RUNTIME_DIR of that user; '' for the system instance. */
  readonly userRuntimeDirectory: string;
  /** The keeper's path: fences need it. */
  readonly keeper: string;
  /** Where systemd listens, best first; by default its private socket, then the message bus. */
  readonly addresses?: readonly BusAddress[];
}

export interface SystemdRunnerNeeds {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface SystemdRunner {
  readonly runner: UnitRunner;
  readonly inspector: UnitInspector;
  /** Keeps the connection to systemd until the signal is aborted; the runner needs it running. */
  run(signal: AbortSignal): Promise<void>;
}

/** Addresses of a systemd instance: the private socket (root, or the user's own), then the message bus. */
export function systemdAddresses(userRuntimeDirectory: string): readonly BusAddress[] {
  if (userRuntimeDirectory === '') {
    return [{ path: '/run/systemd/private', direct: true }, { path: '/run/dbus/system_bus_socket', direct: false }];
  }
  return [
    { path: join(userRuntimeDirectory, 'systemd/private'), direct: true }, { path: join(userRuntimeDirectory, 'bus'), direct: false },
  ];
}

/**
 * Opens the directories; connects only when run() runs. Throws when a directory cannot be made, RunnerUnavailable when a user's
 * instance is wanted and nobody knows where it is.
 */
export async function openSystemdRunner(options: SystemdRunnerOptions, needs: SystemdRunnerNeeds): Promise<SystemdRunner> {
  const { user, userRuntimeDirectory, unitsDirectory, stateDirectory, keeper } = options;
  if (user && !isAbsolute(userRuntimeDirectory)) {
    throw new RunnerUnavailable('XDG_RUNTIME_DIR is not set: the user\'s systemd can only be found from within a session of the user');
  }
  const memories = await openUnitMemories({ units: unitsDirectory, memories: join(stateDirectory, 'units') });
  const records = await openRunRecords(join(stateDirectory, 'records'));
  const link = createBusLink(options.addresses ?? systemdAddresses(user ? userRuntimeDirectory : ''), {
    ...needs, onDoubt: () => watch.onDoubt(), onSignal: (frame) => watch.onSignal(frame),
  });
  const manager = createSystemdManager(link);
  const watch = createUnitWatch({
    manager, readRecord: async (name) => (memories.get(name)?.oneshot === true ? records.read(name) : null),
  });
  const links = user ? join(userRuntimeDirectory, 'systemd/user') : '/run/systemd/system';
  const loader = createUnitLoader({ manager, memories, records, directories: { units: unitsDirectory, links } });
  const fence = await openSystemdFence({
    manager, clock: needs.clock, fifoDirectory: join(stateDirectory, 'fences'), unitsDirectory: links, keeper, user,
  });
  watch.follow(memories.names());
  return {
    runner: {
      ...createUnitRunner({ manager, memories, records, watch, loader }), fence,
      trouble: () => whyUnwritable([unitsDirectory, links, join(stateDirectory, 'units')], tryWriting),
    },
    inspector: createUnitInspector({ user }),
    run: (signal) => link.run(signal),
  };
}

interface RunnerParts {
  readonly manager: SystemdManager;
  readonly memories: UnitMemories;
  readonly records: RunRecords;
  readonly watch: UnitWatch;
  readonly loader: UnitLoader;
}

function createUnitRunner(parts: RunnerParts): Omit<UnitRunner, 'fence' | 'trouble'> {
  const { manager, memories, watch, loader } = parts;
  return {
    async observe(signal) {
      signal.throwIfAborted();
      await memories.followDirectory();
      watch.follow(memories.names());
      const views = await watch.look(memories.names(), signal);
      const observations = new Map<UnitName, Observation>();
      for (const [name, view] of views) {
        const memory = memories.get(name);
        if (memory !== undefined) observations.set(name, observationOf(name, memory, view));
      }
      return observations;
    },
    changes: (signal) => watch.changes(signal),
    async load(units, signal) {
      signal.throwIfAborted();
      const views = await watch.look(units.map(({ name }) => name), signal);
      const changed = units.filter(({ name, renderedHash }) => {
        const view = views.get(name);
        return view === undefined || isUnlinked(view) || memories.get(name)?.renderedHash !== renderedHash;
      });
      if (changed.length === 0) return [];
      const running = new Set([...views].filter(([, view]) => !isDown(view)).map(([name]) => name));
      const problems = await loader.load(changed, running, signal);
      watch.follow(memories.names());
      for (const { name } of changed) watch.suspect(name);
      return problems;
    },
    unload: (names, signal) => unload(names, parts, signal),
    async reload(signal) {
      await manager.reload(signal);
      for (const name of memories.names()) {
        await memories.change(name, { needsReload: false });
        watch.suspect(name);
      }
    },
    start: (requests, signal) => startAll(requests, parts, { verb: 'startUnit', signal }),
    restart: (requests, signal) => startAll(requests, parts, { verb: 'restartUnit', signal }),
    resetFailed: (requests, signal) => resetFailed(requests, parts, signal),
    async stop(names, signal) {
      signal.throwIfAborted();
      const problems = createUnitProblems();
      const known = names.filter((name) => memories.get(name) !== undefined).map((name) => ({ name }));
      await problems.forAll(known, async ({ name }) => {
        watch.expect(name, 'stop');
        await manager.stopUnit(name, signal).catch(unlessNotLoaded);
      });
      // Afterwards: a stop that did not reach systemd is asked for again as long as the unit counts as started.
      await problems.forEach(known, async ({ name }) => {
        await memories.change(name, { restart: notStarted });
        watch.tell(name);
      });
      return problems.list();
    },
  };
}

/** systemd has forgotten the unit: what was to be done is done. */
function unlessNotLoaded(error: unknown): void {
  if (!(error instanceof BusError && error.errorName === noSuchUnit)) throw error;
}

async function startAll(
  requests: readonly StartRequest[], { manager, memories, records, watch }: RunnerParts,
  { verb, signal }: { verb: 'startUnit' | 'restartUnit'; signal: AbortSignal },
): Promise<readonly RunnerProblem[]> {
  signal.throwIfAborted();
  const problems = createUnitProblems();
  for (const { name } of requests) {
    if (memories.get(name) === undefined) problems.add(name, `Unit ${name} is not loaded by fleet on this machine.`);
  }
  // The record of an earlier run must be gone before this one can end.
  await problems.forEach(requests.filter(({ name }) => memories.get(name)?.oneshot), ({ name }) => records.remove(name));
  await problems.forAll(requests, async ({ name }) => {
    watch.expect(name, 'start');
    await manager[verb](name, signal);
  });
  await problems.forEach(requests, async ({ name, restart }) => {
    await memories.change(name, { restart });
    watch.tell(name);
  });
  return problems.list();
}

async function resetFailed(
  requests: readonly ResetRequest[], { manager, memories, watch }: RunnerParts, signal: AbortSignal,
): Promise<readonly RunnerProblem[]> {
  signal.throwIfAborted();
  const problems = createUnitProblems();
  const known = requests.filter(({ name }) => memories.get(name) !== undefined);
  await problems.forAll(known, ({ name }) => manager.resetFailedUnit(name, signal).catch(unlessNotLoaded));
  await problems.forEach(known, async ({ name, reset }) => {
    watch.forgive(name);
    await memories.change(name, { reset });
    watch.tell(name);
  });
  return problems.list();
}

async function unload(
  names: readonly UnitName[], { manager, memories, watch, loader }: RunnerParts, signal: AbortSignal,
): Promise<readonly RunnerProblem[]> {
  signal.throwIfAborted();
  const problems = createUnitProblems();
  const views = await watch.look(names.filter((name) => memories.get(name) !== undefined), signal);
  for (const [name, view] of views) {
    if (!isDown(view)) problems.add(name, `${name} is still ${view.active}: it is unloaded once it has stopped`);
  }
  const removals = problems.fine([...views].map(([name, { active }]) => ({ name, active })));
  // A unit kept for its failure would stay in systemd, without its file.
  const failed = removals.filter(({ active }) => active === 'failed');
  await problems.forAll(failed, ({ name }) => manager.resetFailedUnit(name, signal).catch(unlessNotLoaded));
  const removing = problems.fine(removals).map(({ name }) => name);
  if (removing.length > 0) {
    for (const { name, why } of await loader.remove(removing, signal)) problems.add(name, why);
    watch.follow(memories.names());
  }
  return problems.list();
}
