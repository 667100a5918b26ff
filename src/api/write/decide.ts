/**
 * What a request to create, replace, start, stop, restart or destroy units changes: pure decisions on one moment of the
 * cluster.
 * Promises: all units of a request are checked before anything is decided, and every error is named; nothing is changed
 * that was not asked for; a record's generation grows only when the record changes.
 */
import { parseStoredFleetSection } from '../../core/fleet-section.ts';
import { failure, success, type Failure, type Result } from '../../core/failure.ts';
import type { MachineId } from '../../core/machine.ts';
import { restartAfter, type DesiredState, type FileHash, type UnitRecord } from '../../core/unit.ts';
import { restartBeyondTraces } from '../../core/restart-traces.ts';
import { isTemplate, templateOf, type UnitName } from '../../core/unit-name.ts';
import { keys } from '../../store/keys.ts';
import type { Guard, Revision } from '../../store/store.ts';
import type { AppliedUnit } from '../../protocol/v2.ts';
import { checkContent, createContentReader, type Content, type FileFacts } from './content.ts';
import type { Basis, Decision } from './decision.ts';
import { poolsNamed, whyNoPool } from './named-pools.ts';
import type { UnitChange } from './plan.ts';

/** What is wanted of one unit. */
export interface Wish {
  readonly name: UnitName;
  /** Text to create the unit with, or to replace its content with. */
  readonly text?: string;
  /** Text of a template's file, used when the store has neither the unit nor its template. */
  readonly templateText?: string;
  /** The machine where it runs already, to be taken over there; null ends the wait for that machine. */
  readonly adoptOn?: MachineId | null;
}

/** What is wanted of all units of a request. */
export interface Wishes {
  readonly units: readonly Wish[];
  /** Absent: new units become inactive, others stay as they are. */
  readonly desired?: DesiredState;
  /**
   * Whether other content replaces what is there: never; unless the unit's state is higher than the one asked for
   * (fleet 1.0: `submit --replace` replaces inactive units only, `load --replace` those that are not launched); or
   * always.
   */
  readonly replace: 'never' | 'unless-higher' | 'always';
  /** Ask for a restart of units that are or become launched. */
  readonly restart: boolean;
  /** fleet 1.0's API refuses only what its scheduler cannot make sense of, not what systemd would not load. */
  readonly lenient: boolean;
  readonly by: string;
}

/** A failure that is about one unit. */
export interface UnitFailure {
  /** Its name, as it was given. */
  readonly unit: string;
  readonly failure: Failure;
}

/**
 * Decides about every unit of a request, templates first, so that instances take what the request brings. Fails with
 * all failures in one line, under the code of the first.
 */
export function decideApply(basis: Basis, wishes: Wishes): Result<Decision<readonly AppliedUnit[]>> {
  const scene: Scene = { basis, wishes, read: createContentReader(), templates: new Map() };
  const decided = new Map<UnitName, DecidedUnit>();
  const failures: UnitFailure[] = [];
  for (const wish of [...wishes.units].sort(
    (left, right) => Number(isTemplate(right.name)) - Number(isTemplate(left.name)),
  )) {
    const unit = decideUnit(scene, wish);
    if (!unit.ok) {
      failures.push({ unit: wish.name, failure: unit.failure });
      continue;
    }
    decided.set(wish.name, unit.value);
    if (unit.value.content !== null && isTemplate(wish.name)) scene.templates.set(wish.name, unit.value.content);
  }
  if (failures.length > 0) return sayAll(failures);
  return success(together(wishes.units.flatMap(({ name }) => decided.get(name) ?? [])));
}

/** Decides about the only unit of a request; its failure does not name it, because the request does. */
export function decideApplyOne(
  basis: Basis,
  wishes: Wishes & { readonly units: readonly [Wish] },
): Result<Decision<readonly AppliedUnit[]>> {
  const decided = decideUnit({ basis, wishes, read: createContentReader(), templates: new Map() }, wishes.units[0]);
  return decided.ok ? success(together([decided.value])) : decided;
}

function together(units: readonly DecidedUnit[]): Decision<readonly AppliedUnit[]> {
  return {
    plan: {
      units: units.flatMap(({ change }) => change ?? []),
      files: new Map(units.flatMap(({ content }) => (content === null ? [] : [[content.hash, content.text] as const]))),
      unchanged: [
        ...new Map(
          units.flatMap(({ stays, pools }) => [...(stays === null ? [] : [stays]), ...pools].map((guard) => [guard.key, guard] as const)),
        ).values(),
      ],
    },
    answer: units.map(({ applied }) => applied),
  };
}

/** What a request to destroy units does: the names that are there, and those that are not. */
export interface Destruction {
  readonly destroyed: readonly UnitName[];
  readonly unknown: readonly UnitName[];
}

export function decideDestroy(
  { snapshot, modRevision }: Basis,
  names: readonly UnitName[],
): Result<Decision<Destruction>> {
  const destroyed = names.filter((name) => snapshot.units.has(name));
  const unknown = names.filter((name) => !snapshot.units.has(name));
  return success({
    plan: {
      units: destroyed.map((name) => ({ name, record: null, basis: modRevision(keys.unit(name)) })),
      files: new Map(),
      unchanged: unknown.map((name) => ({ key: keys.unit(name), modRevision: modRevision(keys.unit(name)) })),
    },
    answer: { destroyed, unknown },
  });
}

/** How many failures one line names; the rest are counted. */
const namedFailuresMax = 20;

/** Several failures as one: each names its unit. */
export function sayAll(failures: readonly UnitFailure[]): { readonly ok: false; readonly failure: Failure } {
  const said = failures
    .slice(0, namedFailuresMax)
    .map(({ unit, failure: { code, message } }) =>
      message.includes(unit) || code === 'UNIT_NAME_INVALID' ? message : `${unit}: ${message}`,
    );
  const more = failures.length > said.length ? [`and ${failures.length - said.length} more units`] : [];
  return failure(failures[0]?.failure.code ?? 'REQUEST_INVALID', [...said, ...more].join('; '));
}

interface Scene {
  readonly basis: Basis;
  readonly wishes: Wishes;
  readonly read: (text: string) => Result<Content>;
  /** Content of the templates that this request creates or replaces. */
  readonly templates: Map<UnitName, Content>;
}

interface DecidedUnit {
  readonly applied: AppliedUnit;
  readonly change: UnitChange | null;
  /** The content its record newly points to; null when that stays. */
  readonly content: Content | null;
  /** A record that has to stay as it is: the template whose content it takes, or its own when that need not change. */
  readonly stays: Guard | null;
  /** The pools that were looked for on its behalf: they have to stay as well. */
  readonly pools: readonly Guard[];
}

function decideUnit(scene: Scene, wish: Wish): Result<DecidedUnit> {
  const { snapshot } = scene.basis;
  if (isTemplate(wish.name) && (scene.wishes.desired ?? 'inactive') !== 'inactive') {
    return failure('UNIT_IS_TEMPLATE', `cannot activate template "${wish.name}"`);
  }
  const record = snapshot.units.get(wish.name);
  return record === undefined ? decideNew(scene, wish) : decideKnown(scene, wish, record);
}

/** A unit that the store does not have. */
function decideNew(scene: Scene, wish: Wish): Result<DecidedUnit> {
  const { basis, wishes } = scene;
  const unreadable = basis.snapshot.unreadable.get(keys.unit(wish.name));
  if (unreadable !== undefined) {
    return failure(
      'UNIT_DIFFERS',
      `${wish.name} is in the store, but cannot be read (${unreadable.why}); destroy it first, or update this fleetd`,
    );
  }
  const origin = findContent(scene, wish);
  if (!origin.ok) return origin;
  const { content, template } = origin.value;
  // What was accepted as a template may have been accepted under older rules: only its section has to make sense here.
  const checked = checkContent(wish.name, content.file, wishes.lenient || template !== null);
  if (!checked.ok) return checked;
  const pools = checkPools(basis, wishes.desired ?? 'inactive', checked.value);
  if (!pools.ok) return pools;
  const record: UnitRecord = {
    hash: content.hash,
    desired: wishes.desired ?? 'inactive',
    generation: 1,
    restart: restartBeyondTraces(basis.snapshot, wish.name),
    reset: 0,
    release: releaseOfTemplate(basis.snapshot, wish.name),
    changedAtMs: basis.nowMs,
    changedBy: wishes.by,
    adoptOn: wish.adoptOn ?? null,
  };
  return success({
    applied: appliedUnit({ name: wish.name, record, before: null, content: 'created' }, pools.value.facts),
    change: { name: wish.name, record, basis: 0 },
    content,
    stays: template,
    pools: pools.value.guards,
  });
}

/** What is said of a file, with what is said of its pools, and what must hold for that until the commit. */
interface PoolCheck {
  readonly facts: FileFacts;
  readonly guards: readonly Guard[];
}

/** A unit that is to be placed needs its pools; one that is only submitted may be there before them. */
function checkPools({ snapshot, modRevision }: Basis, desired: DesiredState, facts: FileFacts): Result<PoolCheck> {
  const why = whyNoPool(snapshot, facts.pools);
  if (desired === 'inactive') return success({ facts: why === null ? facts : { ...facts, warnings: [...facts.warnings, why.message] }, guards: [] });
  if (why !== null) return failure(why.code, why.message);
  return success({ facts, guards: facts.pools.map(keys.portPool).map((key) => ({ key, modRevision: modRevision(key) })) });
}

/** A new instance takes part in what its template has become. */
function releaseOfTemplate({ units }: Basis['snapshot'], name: UnitName): number {
  const template = templateOf(name);
  return template === null ? 0 : (units.get(template)?.release ?? 0);
}

/** Where a new unit's content comes from; `template` is set when it comes from a template in the store. */
interface Origin {
  readonly content: Content;
  readonly template: Guard | null;
}

/** Its own text, the template of this request, the one in the store, or the template text that came along. */
function findContent({ basis, read, templates }: Scene, { name, text, templateText }: Wish): Result<Origin> {
  const from = (found: Result<Content>, template: Guard | null = null): Result<Origin> =>
    found.ok ? success({ content: found.value, template }) : found;
  if (text !== undefined) return from(read(text));
  const templateName = templateOf(name);
  if (templateName === null) return failure(...whyNoText(name, null));
  const given = templates.get(templateName);
  if (given !== undefined) return success({ content: given, template: null });
  const stored = basis.snapshot.units.get(templateName);
  const known = stored === undefined ? undefined : basis.snapshot.files.get(stored.hash);
  const key = keys.unit(templateName);
  if (known !== undefined) return from(read(known.text), { key, modRevision: basis.modRevision(key) });
  return templateText === undefined ? failure(...whyNoText(name, templateName)) : from(read(templateText));
}

function whyNoText(name: UnitName, template: UnitName | null): Parameters<typeof failure> {
  if (template === null) return ['UNIT_NOT_FOUND', `unable to find Unit(${name}) in Registry or on filesystem`];
  return [
    'TEMPLATE_NOT_FOUND',
    `failed getting Unit(${name}) from template: ` +
      `unable to find template Unit(${template}) in Registry or on filesystem`,
  ];
}

/** A unit that the store has: its content stays unless it differs and may be replaced. */
function decideKnown(scene: Scene, wish: Wish, before: UnitRecord): Result<DecidedUnit> {
  const { basis, wishes, read } = scene;
  const given = wish.text === undefined ? null : read(wish.text);
  if (given?.ok === false) return given;
  const isOther = given !== null && given.value.hash !== before.hash;
  const mayReplace =
    wishes.replace === 'always' ||
    (wishes.replace === 'unless-higher' && rank[before.desired] <= rank[wishes.desired ?? 'inactive']);
  const isReplaced = isOther && mayReplace;
  const checked = isReplaced
    ? checkContent(wish.name, given.value.file, wishes.lenient)
    : describeKnown(basis, wish.name, before.hash);
  if (!checked.ok) return checked;
  const content = isReplaced ? 'replaced' : isOther ? 'differs' : 'same';
  // A replacement that is refused leaves the unit alone altogether: starting or stopping the old content was not asked
  // for.
  const isRefused = content === 'differs' && wishes.replace !== 'never';
  const desired = isRefused ? before.desired : (wishes.desired ?? before.desired);
  const restart = isRefused ? before.restart : restartAfter(before, desired, wishes.restart);
  const hash = isReplaced ? given.value.hash : before.hash;
  const isMoved = wish.adoptOn !== undefined && wish.adoptOn !== before.adoptOn;
  const isChanged = isMoved || hash !== before.hash || desired !== before.desired || restart !== before.restart;
  const record: UnitRecord = isChanged
    ? {
        ...before,
        hash,
        desired,
        restart,
        generation: before.generation + 1,
        changedAtMs: basis.nowMs,
        changedBy: wishes.by,
        adoptOn: wish.adoptOn ?? null,
      }
    : before;
  const isPlacedAnew = before.desired === 'inactive' || isReplaced;
  const pools = isPlacedAnew ? checkPools(basis, desired, checked.value) : success<PoolCheck>({ facts: checked.value, guards: [] });
  if (!pools.ok) return pools;
  const seen = { key: keys.unit(wish.name), modRevision: basis.modRevision(keys.unit(wish.name)) as Revision };
  return success({
    applied: appliedUnit({ name: wish.name, record, before: before.desired, content }, pools.value.facts),
    change: isChanged ? { name: wish.name, record, basis: seen.modRevision } : null,
    content: isReplaced ? given.value : null,
    stays: isChanged ? null : seen,
    pools: isChanged ? pools.value.guards : [],
  });
}

/** How much is wanted of a unit in each state. */
const rank: Readonly<Record<DesiredState, number>> = { inactive: 0, loaded: 1, launched: 2 };

function describeKnown({ snapshot }: Basis, name: UnitName, hash: FileHash): Result<FileFacts> {
  const known = snapshot.files.get(hash);
  const section = known === undefined ? null : parseStoredFleetSection(name, known.file);
  if (section?.ok !== true) return success({ global: false, warnings: [], pools: [] });
  return success({ global: section.value.global, warnings: [], pools: poolsNamed(section.value) });
}

function appliedUnit(
  unit: Pick<AppliedUnit, 'before' | 'content'> & { readonly name: UnitName; readonly record: UnitRecord },
  facts: FileFacts,
): AppliedUnit {
  const { name, content, before, record } = unit;
  const { desired, generation, restart, hash } = record;
  return { name, content, before, desired, global: facts.global, generation, restart, hash, warnings: facts.warnings };
}
