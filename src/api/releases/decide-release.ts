/**
 * What a request for a release changes: pure decisions on one moment of the cluster.
 * Promises: a release begins whole or not at all; units that another release is about are not released at the same time; what runs
 * now can be gone back to.
 */
import { failure, success, type Result } from '../../core/failure.ts';
import { limits } from '../../core/limits.ts';
import { membersOf, type Member } from '../../core/release/members.ts';
import { noReleaseOptions, resolveStrategy, type ReleaseOptions } from '../../core/release/options.ts';
import { withOutcome } from '../../core/release/plan.ts';
import {
  generationOf,
  goalOf,
  isActive,
  type Generation,
  type ReleaseRecord,
  type ReleaseStrategy,
} from '../../core/release/release.ts';
import type { SectionReader } from '../../core/schedule/sections.ts';
import type { FileHash, UnitRecord } from '../../core/unit.ts';
import { isTemplate, templateOf, type UnitName } from '../../core/unit-name.ts';
import { keys } from '../../store/keys.ts';
import { checkContent, readContent } from '../write/content.ts';
import type { Basis, Decision } from '../write/decision.ts';
import { whyNoPool } from '../write/named-pools.ts';
import type { UnitChange } from '../write/plan.ts';

/** What is wanted. */
export interface ReleaseWish {
  readonly name: UnitName;
  /** The new text; absent: what the cluster has. */
  readonly text?: string;
  readonly strategy: Partial<ReleaseOptions>;
  readonly by: string;
}

/** A moment of the cluster, and the units of the release at that moment. */
export interface ReleaseScene {
  readonly basis: Basis;
  readonly sections: SectionReader;
  readonly name: UnitName;
  readonly by: string;
  readonly members: readonly Member[];
  readonly before: ReleaseRecord | undefined;
}

/** Decides about a release; answers with its record. */
export function decideRelease(basis: Basis, wish: ReleaseWish, sections: SectionReader): Result<Decision<ReleaseRecord>> {
  const scene = sceneOf(basis, wish, sections);
  if (!scene.ok) return scene;
  const content = contentFor(scene.value, wish.text);
  if (!content.ok) return content;
  const section = sections(new Map([[content.value.hash, content.value.known]]), firstName(scene.value), content.value.hash);
  const options = section.ok ? section.value.release : noReleaseOptions;
  const strategy = resolveStrategy(wish.strategy, options);
  return success(begin(scene.value, { ...content.value, strategy, undoOf: null }));
}

/** The units of a release, unless another release is about some of them. */
export function sceneOf(
  basis: Basis,
  { name, by }: Pick<ReleaseWish, 'name' | 'by'>,
  sections: SectionReader,
): Result<ReleaseScene> {
  const { snapshot } = basis;
  const unreadable = snapshot.unreadable.get(keys.release(name));
  if (unreadable !== undefined) {
    return failure('RECORD_UNREADABLE', `the releases of ${name} cannot be read (${unreadable.why}); update this fleetd`);
  }
  const members = membersOf(snapshot, name, sections);
  const others = [...members.map((member) => member.name), templateOf(name) ?? name].filter((other) => other !== name);
  const busy = others.find((other) => isUnderway(snapshot.releases.get(other)));
  if (busy !== undefined) return failure('CONFLICT', `${busy} is being released; wait for it, or undo it`);
  return success({ basis, sections, name, by, members, before: snapshot.releases.get(name) });
}

function isUnderway(record: ReleaseRecord | undefined): boolean {
  return record !== undefined && isActive(record);
}

/** The unit a new content is read for: options may depend on the name of an instance. */
function firstName({ name, members }: ReleaseScene): UnitName {
  return members[0]?.name ?? name;
}

/** What units are to get. */
interface NewContent {
  readonly hash: FileHash;
  readonly text: string;
  readonly known: { readonly hash: FileHash; readonly text: string; readonly file: Parameters<typeof checkContent>[1] };
}

/** The text that came along, else what the cluster has. */
function contentFor(scene: ReleaseScene, text: string | undefined): Result<NewContent> {
  const { basis, name, members } = scene;
  const [first] = members;
  if (!isTemplate(name) && first === undefined) {
    return failure('UNIT_NOT_FOUND', `unit ${name} does not exist; start it before it is released`);
  }
  if (text === undefined) {
    const hash = basis.snapshot.units.get(name)?.hash ?? first?.record.hash;
    if (hash === undefined) return failure('TEMPLATE_NOT_FOUND', `neither ${name} nor an instance of it exists; give its file`);
    return storedContent(scene, hash);
  }
  const read = readContent(text);
  if (!read.ok) return read;
  const wanted = members.some(({ record }) => record.desired !== 'inactive');
  for (const unit of new Set([name, firstName(scene)])) {
    const checked = checkContent(unit, read.value.file, false);
    const wrong = !checked.ok ? checked.failure : wanted ? whyNoPool(basis.snapshot, checked.value.pools) : null;
    if (wrong !== null) return failure(wrong.code, `${unit}: ${wrong.message}`);
  }
  return success({ hash: read.value.hash, text: read.value.text, known: read.value });
}

export function storedContent({ basis }: ReleaseScene, hash: FileHash): Result<NewContent> {
  const known = basis.snapshot.files.get(hash);
  if (known === undefined) return failure('RECORD_UNREADABLE', `the store has no unit file ${hash.slice(0, 7)}; give the file`);
  return success({ hash, text: known.text, known });
}

/** A generation to begin with. */
interface Beginning extends Pick<NewContent, 'hash' | 'text'> {
  readonly strategy: ReleaseStrategy;
  readonly undoOf: number | null;
}

/** Begins to bring a generation about, in the place of one that is on its way. */
export function begin(scene: ReleaseScene, { hash, text, strategy, undoOf }: Beginning): Decision<ReleaseRecord> {
  const { basis, name, by, members } = scene;
  const { nowMs } = basis;
  const { generations, origin } = history(scene);
  const numbers = [...generations.map(({ number }) => number), ...members.map(({ record }) => record.release)];
  const target = Math.max(...numbers, scene.before?.target ?? 0) + 1;
  const next: Generation = { number: target, hash, atMs: nowMs, by, undoOf, outcome: 'rolling', why: '' };
  const record: ReleaseRecord = {
    generations: lastOnes([...generations, next], origin),
    target,
    origin,
    strategy,
    state: 'rolling',
    paused: false,
    why: '',
    inPlaceWhy: '',
    // What an earlier release has begun is taken back by the engine, unit by unit.
    moves: scene.before?.moves ?? [],
    failures: [],
    batches: 0,
    startedAtMs: nowMs,
    changedAtMs: nowMs,
    by,
  };
  return decisionOf(scene, { record, files: new Map([[hash, text]]), units: templateTo(scene, { hash, release: target }) });
}

interface Outcome {
  readonly record: ReleaseRecord;
  readonly files?: ReadonlyMap<FileHash, string>;
  readonly units?: readonly UnitChange[];
}

/** What is written for a record. */
export function decisionOf({ basis, name }: ReleaseScene, { record, files = new Map(), units = [] }: Outcome): Decision<ReleaseRecord> {
  const release = { name, record, basis: basis.modRevision(keys.release(name)) };
  return { plan: { units, files, unchanged: [], release }, answer: record };
}

/** New instances are made with this content from now on. Nothing for a unit that is no template: the engine changes it. */
export function templateTo(
  { basis, name, by }: ReleaseScene,
  content: Pick<UnitRecord, 'hash' | 'release'>,
): readonly UnitChange[] {
  if (!isTemplate(name)) return [];
  const before = basis.snapshot.units.get(name);
  const record: UnitRecord = {
    ...(before ?? { desired: 'inactive', generation: 0, restart: 0, reset: 0, adoptOn: null }),
    ...content,
    generation: (before?.generation ?? 0) + 1,
    changedAtMs: basis.nowMs,
    changedBy: by,
  };
  return [{ name, record, basis: basis.modRevision(keys.unit(name)) }];
}

/** The generations so far, and the one to go back to: what was everywhere last. */
function history(scene: ReleaseScene): Pick<ReleaseRecord, 'generations' | 'origin'> {
  const { before, basis, name, members } = scene;
  const running = members.find(({ record }) => record.desired === 'launched') ?? members[0];
  const present = running?.record ?? basis.snapshot.units.get(name);
  if (before === undefined) {
    if (present === undefined) return { generations: [], origin: 0 };
    const { hash, release: number, changedAtMs: atMs, changedBy } = present;
    return { generations: [{ number, hash, atMs, by: changedBy, undoOf: null, outcome: 'done', why: '' }], origin: number };
  }
  if (isActive(before)) {
    const generations = before.state === 'rolling-back' ? before.generations : withOutcome(before, { outcome: 'left', why: '' });
    return { generations, origin: before.origin };
  }
  return { generations: asItIs(before, members), origin: goalOf(before) };
}

/** A person may have given all units another file since, without a release: that is what is gone back to. */
function asItIs(before: ReleaseRecord, members: readonly Member[]): readonly Generation[] {
  const goal = generationOf(before, goalOf(before));
  const [first, ...others] = members.filter(({ record }) => record.desired === 'launched');
  const hash = first?.record.hash;
  const isOther = hash !== undefined && hash !== goal?.hash && others.every(({ record }) => record.hash === hash);
  if (!isOther) return before.generations;
  return before.generations.map((generation) =>
    generation === goal ? { ...generation, hash, why: 'its file was changed without a release' } : generation,
  );
}

/** As many generations as are kept, with the one to go back to among them. */
function lastOnes(generations: readonly Generation[], origin: number): readonly Generation[] {
  const tooMany = generations.length - limits.generationsKept;
  const dropped = new Set(generations.filter(({ number }) => number !== origin).slice(0, Math.max(0, tooMany)));
  return generations.filter((generation) => !dropped.has(generation));
}
