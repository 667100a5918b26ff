/**
 * What an agent does: scenarios as text (testdata/plan-agent).
 *
 * The words of a scenario:
 *   assigned NAME [loaded] [restart=N] [file=TEXT] [fence=N] [lost-after=MS] [leaving]   TEXT is the unit file's content; "one" unless said
 *   seen NAME ACTIVE [restart=N] [file=TEXT] [fence=N] [needs-reload] [foreign]   what the runner observes; restart is 0 unless said
 *   drains NAME [time=MS] [since=MS] [stopped]                the unit has a DrainTime=, 10 ms unless said; `now MS`: the clock, 0 unless said
 *   standing MS, may-raise                                    fences
 *   withheld NAME|TEXT, finished NAME, no-file TEXT           the file is not at hand
 * The answer repeats the plan after its steps were carried out by a machine on which everything works, until nothing is left to do.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { goldenTests } from '../../../test/golden.ts';
import { notStarted, outdated, unfenced, withoutPorts } from '../unit.ts';
import type { Assignment, FileHash } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import { planAgent } from './plan-agent.ts';
import { leftMs } from './drain.ts';
import type { Drain } from './drain.ts';
import type { AgentView, UnitOnMachine } from './plan-agent.ts';
import { renderUnit } from './render.ts';
import type { Step } from './step.ts';

interface World {
  readonly assignments: Map<UnitName, Assignment>;
  readonly texts: Map<FileHash, string>;
  readonly missing: Map<FileHash, string>;
  readonly observations: Map<UnitName, UnitOnMachine>;
  readonly withheld: Set<UnitName | FileHash>;
  readonly finished: Set<UnitName>;
  readonly drains: Map<UnitName, Drain>;
  nowMs: number;
  readonly fences: { readonly standing: Set<number>; mayRaise: boolean };
}

const hashOf = (text: string): FileHash => createHash('sha1').update(text).digest('hex') as FileHash;

const facts = (words: readonly string[]): Record<string, string> => Object.fromEntries(words.map((word): [string, string] => {
  const [key = '', value = 'yes'] = word.split('=', 2);
  return [key, value];
}));

function assignmentOf(words: readonly string[]): Assignment {
  const { loaded, restart = '0', reset = '0', file = 'one', fence = '0', 'lost-after': lostAfter = '30000', leaving } = facts(words);
  return {
    hash: hashOf(file), desired: loaded === undefined ? 'launched' : 'loaded', restart: Number(restart), reset: Number(reset), ...withoutPorts, why: '', assignedAtMs: 0,
    finished: false,
    ...(fence === '0' ? unfenced : { fence: Number(fence), lostAfterMs: Number(lostAfter), goneAfterMs: 0, leaving: leaving !== undefined }),
  };
}

const rows: Readonly<Record<string, (world: World, words: readonly string[]) => void>> = {
  assigned(world, [name = '', ...words]) {
    world.assignments.set(name as UnitName, assignmentOf(words));
    const { file = 'one' } = facts(words);
    world.texts.set(hashOf(file), file);
  },
  seen(world, [name = '', active = '', ...words]) {
    const { restart = '0', reset = '0', file = 'one', fence = '0', 'needs-reload': needsReload, foreign } = facts(words);
    const assignment = assignmentOf([`file=${file}`, `fence=${fence}`]);
    world.observations.set(name as UnitName, {
      hash: assignment.hash, renderedHash: renderUnit(name as UnitName, assignment, file).renderedHash, restart: Number(restart),
      reset: Number(reset),
      active, sub: '', needsReload: needsReload !== undefined,
      ...(foreign === undefined ? {} : { hash: '' as FileHash, renderedHash: '', restart: notStarted }),
    });
  },
  withheld(world, [subject = '']) {
    world.withheld.add(subject.includes('.') ? subject as UnitName : hashOf(subject));
  },
  drains(world, [name = '', ...words]) {
    const { time = '10', since, stopped } = facts(words);
    world.drains.set(name as UnitName, {
      drainMs: Number(time), sinceMs: since === undefined ? null : Number(since), stopped: stopped !== undefined,
    });
  },
  now: (world, [nowMs = '']) => void (world.nowMs = Number(nowMs)),
  standing: (world, [lostAfterMs = '']) => void world.fences.standing.add(Number(lostAfterMs)),
  'may-raise': (world) => void (world.fences.mayRaise = true),
  finished: (world, [name = '']) => void world.finished.add(name as UnitName),
  'no-file'(world, [file = '']) {
    world.texts.delete(hashOf(file));
    world.missing.set(hashOf(file), file);
  },
};

function readWorld(question: readonly string[]): World {
  const world: World = {
    assignments: new Map(), texts: new Map(), missing: new Map(), observations: new Map(), withheld: new Set(), finished: new Set(),
    drains: new Map(), nowMs: 0,
    fences: { standing: new Set(), mayRaise: false },
  };
  for (const line of question.filter((each) => each.trim() !== '')) {
    const [row = '', ...words] = line.trim().split(/\s+/);
    const read = rows[row];
    assert.ok(read, `"${line}" begins with a word that scenarios know`);
    read(world, words);
  }
  return world;
}

function say(step: Step, world: World): string {
  switch (step.kind) {
    case 'fetch':
      return `fetch the file "${world.missing.get(step.hash) ?? step.hash}": ${step.why}`;
    case 'reload':
      return `reload: ${step.why}`;
    case 'raise':
    case 'lower':
      return `${step.kind} ${String(step.lostAfterMs)}: ${step.why}`;
    case 'start':
    case 'restart':
      return `${step.kind} ${step.unit} as ${String(step.restart)}: ${step.why}`;
    case 'reset':
      return `reset ${step.unit} as ${String(step.reset)}: ${step.why}`;
    case 'drain':
    case 'undrain':
    case 'load':
    case 'stop':
    case 'unload':
      return `${step.kind} ${step.unit}: ${step.why}`;
  }
}

function note(world: World, name: UnitName, change: Partial<Drain>): void {
  const before = world.drains.get(name);
  if (before !== undefined) world.drains.set(name, { ...before, ...change });
}

/** What a step does on a machine where everything works at once, but stopping takes until the next plan. */
function carryOut(world: World, step: Step): void {
  const put = (name: UnitName, change: Partial<UnitOnMachine>): void => {
    const before = world.observations.get(name) ?? {
      hash: '' as FileHash, renderedHash: '', restart: notStarted, reset: 0, active: 'inactive', sub: '', needsReload: false,
    };
    world.observations.set(name, { ...before, ...change });
  };
  switch (step.kind) {
    case 'fetch':
      world.texts.set(step.hash, world.missing.get(step.hash) ?? '');
      return;
    case 'load': {
      const before = world.observations.get(step.unit);
      const isUp = before?.active === 'active';
      const { hash, renderedHash } = step.rendered;
      // A foreign unit runs this very file; the runner has compared them.
      const restart = isUp && before.hash !== '' ? outdated : notStarted;
      return put(step.unit, { hash, renderedHash, restart, needsReload: isUp });
    }
    case 'drain':
    case 'undrain':
      return note(world, step.unit, { sinceMs: step.kind === 'drain' ? world.nowMs : null });
    case 'unload':
      world.observations.delete(step.unit);
      return;
    case 'stop':
      note(world, step.unit, { stopped: true });
      return put(step.unit, { restart: notStarted, active: world.observations.get(step.unit)?.active === 'active' ? 'deactivating' : 'inactive' });
    case 'raise':
      world.fences.standing.add(step.lostAfterMs);
      return;
    case 'lower':
      world.fences.standing.delete(step.lostAfterMs);
      return;
    case 'reload':
      for (const name of world.observations.keys()) put(name, { needsReload: false });
      return;
    case 'reset': {
      const isFailed = world.observations.get(step.unit)?.active === 'failed';
      return put(step.unit, { reset: step.reset, ...(isFailed ? { active: 'inactive' } : {}) });
    }
    case 'start':
    case 'restart':
      assert.equal(world.observations.get(step.unit)?.needsReload, false, `${step.unit} is not started from an old file`);
      note(world, step.unit, { sinceMs: null });
      return put(step.unit, { restart: step.restart, active: 'active' });
  }
}

function answer(question: readonly string[]): string {
  const world = readWorld(question);
  const plans: string[] = [];
  for (let round = 0; round < 10; round += 1) {
    const steps = planAgent(world satisfies AgentView);
    const isStopping = [...world.observations.values()].some(({ active }) => active === 'deactivating');
    const drains = [...world.drains.values()].map((drain) => leftMs(drain, world.nowMs)).filter((left) => left > 0);
    if (steps.length === 0 && !isStopping && drains.length === 0) return plans.length === 0 ? 'nothing to do' : plans.join('\nthen\n');
    for (const [name, seen] of world.observations) {
      if (seen.active !== 'deactivating') continue;
      world.observations.set(name, { ...seen, active: 'inactive' });
      world.drains.delete(name);
    }
    const waitMs = steps.length === 0 && drains.length > 0 ? Math.min(...drains) : 0;
    world.nowMs += waitMs;
    plans.push(steps.length === 0 ? `nothing to do yet${waitMs === 0 ? '' : ` for ${String(waitMs)} ms`}` : steps.map((step) => say(step, world)).join('\n'));
    for (const step of steps) carryOut(world, step);
  }
  return `${plans.join('\nthen\n')}\nNEVER SETTLED`;
}

describe('an agent plans', () => {
  goldenTests(new URL('../testdata/plan-agent/', import.meta.url), answer);
});

describe('a rendering', () => {
  const name = 'app.service' as UnitName;

  test('is the same for the same file, whatever else the assignment says', () => {
    const one = renderUnit(name, assignmentOf(['restart=1']), 'one');
    assert.deepEqual(renderUnit(name, assignmentOf(['loaded', 'restart=7']), 'one'), one);
    assert.equal(one.text, 'one');
    assert.deepEqual(one.dropIns, {});
  });

  test('keeps its hash from version to version, so that a new fleetd restarts nothing', () => {
    assert.equal(renderUnit(name, assignmentOf([]), 'one').renderedHash, createHash('sha256').update('["one",[]]').digest('hex'));
  });
});
