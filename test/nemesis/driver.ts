/**
 * The people at work while things break: they start, stop, restart and destroy units, scale and release templates, drain and cordon machines, in
 * random order.
 * Promises: what fleetctl accepted is remembered as accepted; a unit, template or machine whose last request was not answered is left alone until
 * that request cannot take effect any more; at most one machine is set aside at a time, so that there is room for all units.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ReleaseDetails } from '../../src/protocol/releases.ts';
import type { Random } from '../../src/lib/random.ts';
import { until, type CommandResult } from '../functional/lab/command.ts';
import type { Machine } from '../functional/lab/machine.ts';
import type { MachineEnd, MachineVerb, ReleaseEnd, Request, TemplateVerb, UnitVerb, Verb } from './history.ts';
import { folderInMachine, releasedTemplates, singleUnits, templateText } from './templates.ts';
import type { World } from './world.ts';

/** A request that was not answered may still be carried out for so long. */
const uncertainMs = 15_000;
const pauseMs = { least: 200, most: 1_200 };
const instancesMax = 3;

/** A release that is on its way, for a fault to hit. */
export interface ReleaseUnderWay {
  /** The machine of a unit that is being changed; null while none is chosen. */
  readonly machine: Machine | null;
  /** How far it is, one line. */
  readonly says: string;
}

export interface Driver {
  readonly requests: readonly Request[];
  /** Starts every unit, so that the first fault has something to hit. */
  begin(): Promise<void>;
  /** Works until the signal is aborted; the request under way is finished first. */
  run(signal: AbortSignal): Promise<void>;
  /** Begins a release and waits until units are on their way. */
  beginRelease(): Promise<ReleaseUnderWay>;
  /** Asks once more whatever was not answered last, so that its fate is known, and drains a machine for good. */
  settle(): Promise<void>;
  /** How releases and machines stand, as fleetctl says; throws when nobody answers. */
  look(): Promise<{ readonly releases: readonly ReleaseEnd[]; readonly machines: readonly MachineEnd[] }>;
}

interface Wish {
  readonly subject: string;
  readonly verb: Verb;
  readonly amount: number;
}

interface Desk {
  readonly world: World;
  readonly random: Random;
  readonly pause: (ms: number) => Promise<void>;
  readonly requests: Request[];
  /** Templates that somebody else works on. */
  readonly taken: Set<string>;
}

export function createDriver(world: World, random: Random, pause: (ms: number) => Promise<void>): Driver {
  const requests: Request[] = [];
  const desk: Desk = { world, random, pause, requests, taken: new Set() };
  return {
    requests,
    async begin() {
      for (const subject of singleUnits) await ask(desk, { subject, verb: 'start', amount: 0 });
      for (const subject of releasedTemplates) await ask(desk, { subject, verb: 'scale', amount: instancesMax });
    },
    async run(signal) {
      while (!signal.aborted) {
        const drawn = random.next();
        if (drawn < 0.7) await workOnUnit(desk);
        else if (drawn < 0.9) await workOnTemplate(desk);
        else await workOnMachine(desk);
        await pause(pauseMs.least + random.next() * (pauseMs.most - pauseMs.least));
      }
    },
    beginRelease: () => beginRelease(desk),
    settle: () => settle(desk),
    async look() {
      const releases: ReleaseEnd[] = [];
      for (const template of releasedTemplates) {
        await lookAtRelease(desk, template);
        const release = await until(() => releaseOf(desk, template), `the release of ${template} is known`);
        if (release !== 'none') releases.push({ template, state: release.state, why: release.why });
      }
      return { releases, machines: await until(() => machinesOf(desk), 'machines are listed') };
    },
  };
}

const draw = <T>(random: Random, among: readonly T[]): T | undefined => among[Math.floor(random.next() * among.length)];
const lastOf = ({ requests }: Desk, subject: string, verbs?: readonly Verb[]): Request | undefined =>
  requests.findLast((request) => request.subject === subject && (verbs?.includes(request.verb) ?? true));

/** Whether the last request for a subject may still be carried out without anybody knowing. */
function isOpen(desk: Desk, subject: string): boolean {
  const last = lastOf(desk, subject);
  return last !== undefined && !last.accepted && Date.now() - last.atMs < uncertainMs;
}

/** Has fleetctl carry out something on a random machine that has power; null when there is none, or its power went meanwhile. */
async function onSomeMachine({ world, random }: Desk, ...args: readonly string[]): Promise<CommandResult | null> {
  const on = [];
  for (const machine of world.machines) if (await machine.running()) on.push(machine);
  const machine = draw(random, on);
  return machine === undefined ? null : world.fleetctl(machine, ...args).catch(() => null);
}

/** Asks for something, and remembers it; whether it was accepted. */
async function ask(desk: Desk, wish: Wish): Promise<boolean> {
  const atMs = Date.now();
  const ended = await onSomeMachine(desk, ...await commandOf(desk.world, wish), '--request-timeout=4');
  const accepted = ended?.code === 0;
  desk.requests.push({ ...wish, atMs, accepted, overMs: null });
  return accepted;
}

async function commandOf(world: World, { subject, verb, amount }: Wish): Promise<readonly string[]> {
  if (verb === 'scale') return ['scale', '--no-block', subject, String(amount)];
  if (verb === 'release') {
    const name = `${subject}.${amount}`;
    await writeFile(join(world.folder, 'files', name), templateText(subject, amount));
    return ['release', '--no-block', `--file=${folderInMachine}/files/${name}`, subject];
  }
  const machine = world.machines.find(({ name }) => name === subject);
  if (machine !== undefined) return [verb, ...(verb === 'drain' || verb === 'cordon' ? ['--reason=nemesis'] : []), machine.id];
  return [verb, ...(verb === 'destroy' ? [] : ['--no-block']), subject];
}

async function workOnUnit(desk: Desk): Promise<void> {
  const subject = draw(desk.random, singleUnits) ?? '';
  if (!isOpen(desk, subject)) await ask(desk, { subject, verb: chooseUnitVerb(lastOf(desk, subject), desk.random), amount: 0 });
}

/** Mostly lets units run: a cluster of stopped units has nothing to lose. */
function chooseUnitVerb(last: Request | undefined, random: Random): UnitVerb {
  if (last === undefined || (last.verb !== 'start' && last.verb !== 'restart') || !last.accepted) return 'start';
  const drawn = random.next();
  if (drawn < 0.4) return 'restart';
  return drawn < 0.7 ? 'stop' : 'destroy';
}

async function workOnTemplate(desk: Desk): Promise<void> {
  const subject = draw(desk.random, releasedTemplates) ?? '';
  if (desk.taken.has(subject) || isOpen(desk, subject)) return;
  const isReleasing = await lookAtRelease(desk, subject);
  // A release that is on its way is seldom overtaken by the next one: most are to come to their end.
  const drawn = desk.random.next();
  const verb: TemplateVerb = drawn < (isReleasing ? 0.1 : 0.6) ? 'release' : 'scale';
  const amount = verb === 'release' ? nextVersion(desk, subject) : 1 + Math.floor(desk.random.next() * instancesMax);
  if (verb === 'release' || drawn > 0.7) await ask(desk, { subject, verb, amount });
}

/** Versions grow with each release asked for, answered or not. */
function nextVersion(desk: Desk, subject: string): number {
  return (lastOf(desk, subject, ['release'])?.amount ?? 0) + 1;
}

/** Notes that releases of a template are over when they are; whether one is on its way, as far as anybody answers. */
async function lookAtRelease(desk: Desk, template: string): Promise<boolean> {
  const askedMs = Date.now();
  const release = await releaseOf(desk, template);
  if (release === null) return true;
  if (release === 'none') return false;
  const isOver = release.state === 'done' || release.state === 'rolled-back';
  for (const [index, request] of desk.requests.entries()) {
    const isMeant = isOver && request.subject === template && request.verb === 'release' && request.overMs === null && request.accepted
      && request.atMs < askedMs;
    if (isMeant) desk.requests[index] = { ...request, overMs: Date.now() };
  }
  return !isOver;
}

/** What is known of the release of a template; 'none' when there was none yet, null when nobody answers. */
async function releaseOf(desk: Desk, template: string): Promise<ReleaseDetails | 'none' | null> {
  const answer = await onSomeMachine(desk, 'release', 'status', template, '--output=json', '--request-timeout=4');
  if (answer?.code === 0) return JSON.parse(answer.stdout) as ReleaseDetails;
  return answer?.stderr.includes('There was no release') === true ? 'none' : null;
}

/** Machines as list-machines shows them; null when nobody answers. */
async function machinesOf(desk: Desk): Promise<readonly MachineEnd[] | null> {
  const answer = await onSomeMachine(desk, 'list-machines', '--all', '--output=json', '--request-timeout=4');
  if (answer?.code !== 0) return null;
  const listed = JSON.parse(answer.stdout) as readonly { readonly hostname: string; readonly state: MachineEnd['state'] }[];
  return listed.map(({ hostname, state }) => ({ machine: hostname, state }));
}

const machineVerbs = ['drain', 'undrain', 'cordon', 'uncordon'] as const satisfies readonly MachineVerb[];

/** The machine that is set aside, or may be. */
function setAside(desk: Desk): Request | undefined {
  return desk.world.machines.map(({ name }) => lastOf(desk, name, machineVerbs))
    .find((last) => last !== undefined && !(last.accepted && last.verb.startsWith('un')));
}

async function workOnMachine(desk: Desk): Promise<void> {
  const aside = setAside(desk);
  if (aside === undefined) {
    const subject = draw(desk.random, desk.world.machines)?.name ?? '';
    await ask(desk, { subject, verb: desk.random.next() < 0.7 ? 'drain' : 'cordon', amount: 0 });
  } else if (!isOpen(desk, aside.subject)) {
    await ask(desk, { subject: aside.subject, verb: aside.verb.endsWith('drain') ? 'undrain' : 'uncordon', amount: 0 });
  }
}

async function beginRelease(desk: Desk): Promise<ReleaseUnderWay> {
  const subject = draw(desk.random, releasedTemplates) ?? '';
  desk.taken.add(subject);
  try {
    // Somebody may just have asked for something else of it, and that may not be answered yet.
    await until(() => Promise.resolve(!isOpen(desk, subject)), `${subject} is free`, uncertainMs * 2);
    await until(() => ask(desk, { subject, verb: 'scale', amount: instancesMax }), `${subject} is scaled`, 60_000);
    return await until(async () => {
      const release = await releaseOf(desk, subject);
      if (release === null) return null;
      if (release !== 'none' && release.state === 'rolling') return underWay(desk, release);
      const isOver = release === 'none' || release.state === 'done' || release.state === 'rolled-back';
      if (isOver && !isOpen(desk, subject)) await ask(desk, { subject, verb: 'release', amount: nextVersion(desk, subject) });
      return null;
    }, `a release of ${subject} is on its way`, 60_000);
  } finally {
    desk.taken.delete(subject);
  }
}

/** What a fault in the middle of it has to know; null while no unit is being changed. */
function underWay({ world }: Desk, { name, changed, total, moves, units }: ReleaseDetails): ReleaseUnderWay | null {
  const move = moves.find(({ phase }) => phase !== 'failed');
  if (move === undefined) return null;
  const home = units.find((unit) => unit.name === move.unit)?.machine ?? '';
  return {
    machine: world.machines.find(({ id }) => id === home) ?? null,
    says: `${name}: ${changed} of ${total} changed, ${move.unit} ${move.phase}`,
  };
}

async function settle(desk: Desk): Promise<void> {
  await desk.pause(uncertainMs);
  const attempts = 5;
  for (const subject of singleUnits) {
    for (let attempt = 0; attempt < attempts && lastOf(desk, subject)?.accepted === false; attempt += 1) {
      await ask(desk, { subject, verb: 'start', amount: 0 });
    }
  }
  for (const subject of releasedTemplates) {
    for (let attempt = 0; attempt < attempts && lastOf(desk, subject, ['scale'])?.accepted !== true; attempt += 1) {
      await ask(desk, { subject, verb: 'scale', amount: instancesMax });
    }
  }
  const subject = setAside(desk)?.subject ?? draw(desk.random, desk.world.machines)?.name ?? '';
  const verb = lastOf(desk, subject, ['drain', 'cordon'])?.verb === 'cordon' && setAside(desk) !== undefined ? 'uncordon' : 'drain';
  await until(() => ask(desk, { subject, verb, amount: 0 }), `${verb} of ${subject} is accepted`, 30_000);
}
