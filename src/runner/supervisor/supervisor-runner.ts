/**
 * The runner for machines without systemd: a keeper (native/keeper) for each unit carries out its life, this file tells it when.
 * Promises: the contract of runner.ts; units outlive fleetd however it ends, and are found again by what keepers wrote;
 * whatever is not honoured of a unit is told by status().
 */
import { join } from 'node:path';
import type { UnitName } from '../../core/unit-name.ts';
import { notStarted, outdated } from '../../core/unit.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { createChangeFeed } from '../change-feed.ts';
import type { ChangeFeed } from '../change-feed.ts';
import { FileTrouble, whyUnwritable } from '../file-trouble.ts';
import { inParallel } from '../in-parallel.ts';
import type { Observation, RenderedUnit, ResetRequest, RunnerProblem, StartRequest, UnitInspector, UnitRunner } from '../runner.ts';
import { readCompileFacts } from './host-facts.ts';
import { createInspector } from './inspector.ts';
import { compileUnit } from './instructions.ts';
import type { CompileFacts } from './instructions.ts';
import { createKeeperClient, KeeperTrouble } from './keeper-client.ts';
import type { KeeperClient, KeeperCommand } from './keeper-client.ts';
import { isUp, readBootName, readSeen } from './keeper-state.ts';
import type { Seen } from './keeper-state.ts';
import { observationOf } from './observe.ts';
import { removePath, tryWriting } from './replace-files.ts';
import { openSupervisorFence } from './supervisor-fence.ts';
import { createStateWatch } from './state-watch.ts';
import type { StateWatch } from './state-watch.ts';
import { openUnitRecords, statePath, unitDirectory } from './unit-records.ts';
import type { SupervisorDirectories, UnitRecords } from './unit-records.ts';

export interface SupervisorOptions {
  /** Where unit files and drop-ins are put for people to read. */
  readonly unitsDirectory: string;
  /** Where keepers work: instructions, states, journals. */
  readonly stateDirectory: string;
  /** The keeper binary (host/native.ts). */
  readonly keeper: string;
}

export interface SupervisorNeeds {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The supervisor and what belongs to it. */
export interface Supervisor {
  readonly runner: UnitRunner;
  readonly inspector: UnitInspector;
  /** Watches for news until the signal is aborted; units go on then. */
  run(signal: AbortSignal): Promise<void>;
}

/** Opens the runner over its directories, adopting every unit that lies there. */
export async function openSupervisorRunner(options: SupervisorOptions, needs: SupervisorNeeds): Promise<Supervisor> {
  const directories = { units: options.unitsDirectory, state: options.stateDirectory };
  const records = await openUnitRecords(directories);
  const client = createKeeperClient({ keeper: options.keeper, stateDirectory: options.stateDirectory, clock: needs.clock });
  const feed = createChangeFeed();
  const watch = createStateWatch({ directories, client, feed, clock: needs.clock, log: needs.log });
  const bench: Bench = {
    directories, records, client, feed, watch, boot: await readBootName(), facts: await readCompileFacts(process.env),
  };
  const look = (name: UnitName): Promise<Seen> => readSeen(statePath(directories, name), bench.boot);
  return {
    runner: {
      ...createRunner(bench, look), fence: openSupervisorFence({ stateDirectory: options.stateDirectory, clock: needs.clock }),
      trouble: () => whyUnwritable([options.unitsDirectory, options.stateDirectory], tryWriting),
    },
    inspector: createInspector({ directories, records, look, clock: needs.clock }),
    run: (signal) => watch.run(signal),
  };
}

interface Bench {
  readonly directories: SupervisorDirectories;
  readonly records: UnitRecords;
  readonly client: KeeperClient;
  readonly feed: ChangeFeed;
  readonly watch: StateWatch;
  readonly boot: string;
  readonly facts: CompileFacts;
}

type Look = (name: UnitName) => Promise<Seen>;

function createRunner(bench: Bench, look: Look): Omit<UnitRunner, 'fence' | 'trouble'> {
  const { records, feed } = bench;
  const startAll = (requests: readonly StartRequest[], command: 'start' | 'restart', signal: AbortSignal): Promise<readonly RunnerProblem[]> =>
    forEachUnit(requests, async ({ name, restart }) => {
      if (records.get(name) === undefined) throw new KeeperTrouble(`${name} is not loaded on this machine`);
      await carryOut(bench, { name, command }, signal);
      await records.setRestart(name, restart);
      feed.tell(name);
    }, signal);
  return {
    async observe(signal) {
      signal.throwIfAborted();
      const seen = await inParallel(records.names(), async (name): Promise<readonly Observation[]> => {
        const state = await look(name);
        if (state.kind === 'kept') bench.watch.follow(name);
        const record = records.get(name);
        return record === undefined ? [] : [observationOf(name, record, state)];
      });
      signal.throwIfAborted();
      return new Map(seen.flat().map((observation) => [observation.name, observation]));
    },
    changes: (signal) => feed.changes(signal),
    load: (units, signal) => forEachUnit(units, (unit) => loadUnit(bench, unit, look), signal),
    unload: (names, signal) => forEachUnit(named(names), ({ name }) => unloadUnit(bench, name, { look, signal }), signal),
    async reload(signal) {
      // A keeper reads its instructions anew at each start.
      signal.throwIfAborted();
      await Promise.resolve();
    },
    start: (requests, signal) => startAll(requests, 'start', signal),
    resetFailed: (requests, signal) => forEachUnit(requests, (request) => resetFailed(bench, request, { look, signal }), signal),
    restart: (requests, signal) => startAll(requests, 'restart', signal),
    stop: (names, signal) => forEachUnit(named(names), ({ name }) => stopUnit(bench, name, { look, signal }), signal),
  };
}

const named = (names: readonly UnitName[]): readonly { readonly name: UnitName }[] => names.map((name) => ({ name }));

/** Does `work` for each item; trouble of one unit becomes its problem, everything else is thrown. */
async function forEachUnit<Item extends { readonly name: UnitName }>(
  items: readonly Item[], work: (item: Item) => Promise<void>, signal: AbortSignal,
): Promise<readonly RunnerProblem[]> {
  signal.throwIfAborted();
  const problems = await inParallel(items, async (item): Promise<readonly RunnerProblem[]> => {
    try {
      signal.throwIfAborted();
      await work(item);
      return [];
    } catch (error) {
      if (error instanceof KeeperTrouble || error instanceof FileTrouble) return [{ name: item.name, why: error.message }];
      throw error;
    }
  });
  return problems.flat();
}

async function carryOut(bench: Bench, what: { readonly name: UnitName; readonly command: KeeperCommand }, signal: AbortSignal): Promise<void> {
  await bench.client.command(what.name, what.command, signal);
  bench.watch.follow(what.name);
}

async function loadUnit({ records, directories, facts, feed }: Bench, unit: RenderedUnit, look: Look): Promise<void> {
  const { name, hash, renderedHash } = unit;
  const before = records.get(name);
  if (before?.renderedHash === renderedHash) {
    if (before.hash !== hash) await records.put(name, { ...before, hash }, new Map());
    return;
  }
  const compiled = compileUnit(unit, facts);
  if (!compiled.ok) throw new KeeperTrouble(compiled.failure.message);
  // Without a record the state is that of a unit which is gone, unless it still runs after its record was lost.
  const seen = await look(name);
  const runs = seen.kind === 'kept';
  if (before === undefined && !runs) await removePath(statePath(directories, name));
  const isOutdated = runs && before?.restart !== notStarted && seen.state.rendered !== renderedHash;
  const { text, description, notHonoured } = compiled.value;
  const dropIns = Object.keys(unit.dropIns);
  const files = new Map([
    [join(unitDirectory(directories, name), 'instructions'), text],
    ...Object.entries(unit.dropIns).map(([file, content]) => [join(directories.units, `${name}.d`, file), content] as const),
    [join(directories.units, name), unit.text],
  ]);
  const restart = isOutdated ? outdated : notStarted;
  await records.put(name, { hash, renderedHash, restart, reset: before?.reset ?? 0, description, notHonoured, dropIns }, files);
  for (const file of before?.dropIns ?? []) if (!dropIns.includes(file)) await removePath(join(directories.units, `${name}.d`, file));
  feed.tell(name);
}

interface Looking {
  readonly look: Look;
  readonly signal: AbortSignal;
}

async function unloadUnit(bench: Bench, name: UnitName, { look, signal }: Looking): Promise<void> {
  if (bench.records.get(name) === undefined) return;
  const seen = await look(name);
  if (seen.kind === 'keeper-lost') {
    await carryOut(bench, { name, command: 'stop' }, signal);
    throw new KeeperTrouble(`${name} has lost its keeper; what it left behind is being ended, then it can be unloaded`);
  }
  if (seen.kind === 'kept' && isUp(seen.state)) {
    throw new KeeperTrouble(`${name} is still ${seen.state.active}; it is unloaded once it has stopped`);
  }
  await bench.records.remove(name);
  bench.feed.tell(name);
}

async function stopUnit(bench: Bench, name: UnitName, { look, signal }: Looking): Promise<void> {
  if (bench.records.get(name) === undefined) return;
  const seen = await look(name);
  if (seen.kind === 'kept' || seen.kind === 'keeper-lost') await carryOut(bench, { name, command: 'stop' }, signal);
  await bench.records.setRestart(name, notStarted);
  bench.feed.tell(name);
}

async function resetFailed(bench: Bench, { name, reset }: ResetRequest, { look, signal }: Looking): Promise<void> {
  if (bench.records.get(name) === undefined) return;
  const { kind } = await look(name);
  // What was not started in this boot has nothing to forget.
  if (kind !== 'never-started' && kind !== 'other-boot') await carryOut(bench, { name, command: 'reset-failed' }, signal);
  await bench.records.setReset(name, reset);
  bench.feed.tell(name);
}
