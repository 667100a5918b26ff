/**
 * From named units to stored ones: finds their files, sends them, and tells what became of each.
 * Promises: nothing is sent while one of the files has an error; large orders go in several requests, each stored as a
 * whole; a replacement that the API refuses is told, not forced.
 */
import { ApiError } from '../client/errors.ts';
import { failure, success } from '../core/failure.ts';
import type { Result } from '../core/failure.ts';
import { limits } from '../core/limits.ts';
import { templateOf } from '../core/unit-name.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { AppliedUnit, ApplyUnit, DesiredState, UnitView } from '../protocol/v2.ts';
import { pickUnits, readUnitArguments } from './names.ts';
import type { UnitArgument } from './names.ts';
import { findRunning } from './replace-running.ts';
import type { Replacement } from './replace-running.ts';
import { complain, print, whoAsks } from './session.ts';
import type { Session } from './session.ts';
import { readUnitSource } from './unit-source.ts';
import type { UnitSource } from './unit-source.ts';

/** Bytes of unit text in one request; JSON may double them. */
const requestTextBytesMax = limits.requestBytesMax / 3;

/** What a verb asks for; no state leaves existing units as they are. */
export interface Order {
  readonly desired?: DesiredState;
  readonly replace: boolean;
}

/** What became of an order. */
export interface Submitted {
  readonly revision: number;
  readonly units: readonly AppliedUnit[];
  /** Units that run with other content and were to be replaced: nothing has been asked about them yet. */
  readonly running: readonly Replacement[];
}

/** A unit to send, and the local file it may come from. */
interface Candidate {
  readonly name: UnitName;
  readonly source: (UnitSource & { readonly kind: 'good' }) | null;
  readonly fromTemplate: boolean;
}

/** Sends the units that the words of the command name, and prints what fleet 1.0 printed about it. */
export async function submitUnits(session: Session, order: Order): Promise<Result<Submitted>> {
  const read = readUnitArguments(session.words);
  if (!read.ok) return read;
  const needsList = read.value.some((argument) => argument.kind === 'pattern');
  const units = needsList ? (await session.client.units(session.environment.interrupted)).units : [];
  const named = nameUnits(read.value, units);
  if (!named.ok) return named;
  const candidates = await findSources(session, named.value);
  if (!candidates.ok) return candidates;
  const running = order.replace && order.desired === 'launched' ? await findRunning(session, requestsFor(candidates.value)) : [];
  const others = candidates.value.filter(({ name }) => running.every((replacement) => replacement.name !== name));
  const sent = await send(session, order, others);
  if (!sent.ok) return sent;
  await tell(session, { units: sent.value.units, candidates: others, replace: order.replace });
  return success({ ...sent.value, running });
}

/** Puts the units that patterns match in the place of the patterns. */
function nameUnits(
  words: readonly UnitArgument[],
  units: readonly UnitView[],
): Result<readonly (UnitArgument & { kind: 'unit' })[]> {
  const named = new Map<string, UnitArgument & { kind: 'unit' }>();
  for (const argument of words) {
    if (argument.kind === 'unit') {
      named.set(argument.name, argument);
      continue;
    }
    const { found } = pickUnits([argument], units, (unit) => !unit.template);
    if (found.length === 0)
      return failure('UNIT_NOT_FOUND', `no file and no submitted unit matches "${argument.text}"`);
    for (const unit of found) named.set(unit.name, { kind: 'unit', folder: '', name: unit.name as UnitName });
  }
  return success([...named.values()]);
}

/** Looks for the file of each unit, then for that of its template, in the folder of the argument. */
async function findSources(
  session: Session,
  named: readonly (UnitArgument & { kind: 'unit' })[],
): Promise<Result<readonly Candidate[]>> {
  const known = new Map<string, UnitSource>();
  const read = async (path: string, name: UnitName): Promise<UnitSource> => {
    const source = known.get(path) ?? (await readUnitSource(session.environment, path, name));
    known.set(path, source);
    return source;
  };
  const candidates: Candidate[] = [];
  for (const { folder, name } of named) {
    const template = templateOf(name);
    let source = await read(`${folder}${name}`, name);
    const fromTemplate = source.kind === 'absent' && template !== null;
    if (fromTemplate) source = await read(`${folder}${template}`, name);
    candidates.push({ name, source: source.kind === 'good' ? source : null, fromTemplate });
  }
  const errors = [...known.values()].flatMap((source) => (source.kind === 'wrong' ? source.errors : []));
  return errors.length === 0 ? success(candidates) : failure('UNIT_FILE_INVALID', errors.join('\n'));
}

/** Sends all candidates, in as many requests as their number and size need. */
async function send(
  session: Session,
  order: Order,
  candidates: readonly Candidate[],
): Promise<Result<Omit<Submitted, 'running'>>> {
  const units: AppliedUnit[] = [];
  let revision = 0;
  const { desired, replace } = order;
  const by = whoAsks(session);
  for (const part of inRequests(candidates.map((candidate) => toApplyUnit(candidate, replace)))) {
    try {
      const request = {
        units: part,
        replace,
        ...(desired === undefined ? {} : { desired }),
        by,
      };
      const answer = await session.client.apply(request, session.environment.interrupted);
      units.push(...answer.units);
      revision = answer.revision;
    } catch (error) {
      if (!(error instanceof ApiError) || !aboutFile.has(error.reason)) throw error;
      const before = units.length === 0 ? '' : ` (the ${units.length} units before it are stored)`;
      return failure('UNIT_FILE_INVALID', `Error creating units: ${error.message}${before}`);
    }
  }
  return success({ revision, units });
}

/** What a replacement would send, to be asked about first. */
function requestsFor(candidates: readonly Candidate[]): readonly (readonly ApplyUnit[])[] {
  return inRequests(candidates.map((candidate) => toApplyUnit(candidate, true)));
}

/**
 * A replacement has to carry the text itself; otherwise an instance gets its text from the cluster's template first, as
 * in fleet 1.0, and from the local one only when the cluster has none.
 */
function toApplyUnit({ name, source, fromTemplate }: Candidate, replace: boolean): ApplyUnit {
  if (source === null) return { name };
  return fromTemplate && !replace ? { name, templateText: source.text } : { name, text: source.text };
}

/** Cuts a list of units where a request would name too many or become too large. */
export function inRequests(units: readonly ApplyUnit[]): readonly (readonly ApplyUnit[])[] {
  const requests: ApplyUnit[][] = [];
  let current: ApplyUnit[] = [];
  let bytes = 0;
  for (const unit of units) {
    const size = unit.name.length + (unit.text ?? unit.templateText ?? '').length * 2;
    if (current.length > 0 && (current.length === limits.unitsPerRequestMax || bytes + size > requestTextBytesMax)) {
      requests.push(current);
      current = [];
      bytes = 0;
    }
    current.push(unit);
    bytes += size;
  }
  return current.length === 0 ? requests : [...requests, current];
}

/** Reasons that concern a unit's file or name: fleet 1.0 reported them as errors of creating it. */
const aboutFile: ReadonlySet<string> = new Set([
  'UNIT_NOT_FOUND',
  'TEMPLATE_NOT_FOUND',
  'UNIT_NAME_INVALID',
  'UNIT_FILE_INVALID',
  'UNIT_FILE_TOO_LARGE',
  'UNIT_OPTION_UNKNOWN',
  'UNIT_OPTION_INVALID',
  'UNIT_OPTIONS_CONFLICT',
]);

/** Says what became of each unit's content; the same warning about many instances is said once. */
async function tell(
  session: Session,
  about: {
    readonly units: readonly AppliedUnit[];
    readonly candidates: readonly Candidate[];
    readonly replace: boolean;
  },
): Promise<void> {
  const byName = new Map<string, Candidate>(about.candidates.map((candidate) => [candidate.name, candidate]));
  const warned = new Set<string>();
  for (const unit of about.units) {
    const candidate = byName.get(unit.name);
    for (const warning of await warningsOf(unit, candidate)) {
      const key = `${unit.hash} ${warning.slice(warning.indexOf(': '))}`;
      if (!warned.has(key)) complain(session, warning);
      warned.add(key);
    }
    if (unit.content === 'created') print(session, `Unit ${unit.name} inactive`);
    else if (candidate !== undefined && candidate.source !== null)
      await tellCompared(session, unit, { ...candidate, replace: about.replace });
  }
}

/** What looks wrong in new content: with file and line when it came from here. */
async function warningsOf(unit: AppliedUnit, candidate: Candidate | undefined): Promise<readonly string[]> {
  if (unit.content !== 'created' && unit.content !== 'replaced') return [];
  const source = candidate?.source ?? null;
  if (unit.warnings.length === 0 && (source === null || source.warnings.length === 0)) return [];
  return source !== null && await source.hash() === unit.hash
    ? source.warnings
    : unit.warnings.map((warning) => `${unit.name}: warning: ${warning}`);
}

/** How a unit that existed before compares with the local file. */
async function tellCompared(
  session: Session,
  unit: AppliedUnit,
  { source, fromTemplate, replace }: Candidate & { readonly replace: boolean },
): Promise<void> {
  if (source === null || unit.content === 'replaced') return;
  if (unit.hash === await source.hash()) {
    if (replace) print(session, `Found same Unit(${unit.name}) in Registry, nothing to do`);
  } else if (replace) {
    complain(
      session,
      `Warning: can not replace Unit(${unit.name}) in state '${unit.before ?? unit.desired}', ` +
        'use the appropriate command',
    );
  } else {
    const kind = fromTemplate ? 'local template unit file' : 'local unit file';
    complain(
      session,
      `WARNING: Unit ${unit.name} in registry differs from ${kind} ${source.path}. Add --replace to override.`,
    );
  }
}
