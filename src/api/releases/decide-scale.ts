/**
 * Scaling: how many numbered instances of a template there are. Pure.
 * Promises: instances that are stopped are started first, then new ones with the lowest free numbers; of too many those with the
 * highest numbers go; an instance that a release has just begun with is neither counted nor taken.
 */
import { failure, success, type Result } from '../../core/failure.ts';
import { limits } from '../../core/limits.ts';
import { freeInstances, membersOf, type Member } from '../../core/release/members.ts';
import { isActive } from '../../core/release/release.ts';
import type { SectionReader } from '../../core/schedule/sections.ts';
import { isTemplate, type UnitName } from '../../core/unit-name.ts';
import type { AppliedUnit } from '../../protocol/v2.ts';
import { keys } from '../../store/keys.ts';
import { decideApply } from '../write/decide.ts';
import type { Basis, Decision } from '../write/decision.ts';

/** How many instances are wanted. */
export interface ScaleWish {
  readonly name: UnitName;
  readonly count: number;
  readonly templateText?: string;
  readonly by: string;
}

/** What scaling does. */
export interface Scaling {
  readonly started: readonly AppliedUnit[];
  readonly destroyed: readonly UnitName[];
}

export function decideScale(basis: Basis, wish: ScaleWish, sections: SectionReader): Result<Decision<Scaling>> {
  const { name, count } = wish;
  if (!isTemplate(name)) return failure('UNIT_NAME_INVALID', `"${name}" is not a template; only instances can be scaled, as in "app@ 5"`);
  const counted = countedInstances(basis, name, sections);
  const missing = count - counted.length;
  if (Math.abs(missing) > limits.unitsPerRequestMax) {
    return failure('REQUEST_TOO_LARGE', `${Math.abs(missing)} instances at once, the limit is ${limits.unitsPerRequestMax}; scale in steps`);
  }
  if (missing <= 0) return success(fewer(basis, counted.slice(count)));
  const idle = membersOf(basis.snapshot, name, sections).filter(({ number, record }) => number !== null && record.desired !== 'launched');
  return more(basis, wish, { missing, idle: idle.slice(0, missing).map((member) => member.name) });
}

/** Numbered instances that are wanted to run, by number, without those that are to take the place of another one. */
function countedInstances({ snapshot }: Basis, name: UnitName, sections: SectionReader): readonly Member[] {
  const release = snapshot.releases.get(name);
  const moves = release !== undefined && isActive(release) ? release.moves : [];
  const arriving = new Set(moves.flatMap(({ unit, old, phase }) => (old !== null && phase !== 'leaving' ? [unit] : [])));
  return membersOf(snapshot, name, sections)
    .filter(({ number, record }) => number !== null && record.desired === 'launched')
    .filter((member) => !arriving.has(member.name));
}

interface Missing {
  readonly missing: number;
  /** Instances that exist and are not to run: they are started first. */
  readonly idle: readonly UnitName[];
}

function more(basis: Basis, { name, templateText, by }: ScaleWish, { missing, idle }: Missing): Result<Decision<Scaling>> {
  const fresh = [...idle, ...freeInstances(basis.snapshot, name, missing - idle.length)];
  if (fresh.length < missing) return failure('UNIT_NAME_INVALID', `${name}: the names of ${missing} more instances would be too long`);
  const decided = decideApply(basis, {
    units: fresh.map((unit) => ({ name: unit, ...(templateText === undefined ? {} : { templateText }) })),
    desired: 'launched',
    replace: 'never',
    restart: false,
    lenient: false,
    by,
  });
  return decided.ok ? success({ plan: decided.value.plan, answer: { started: decided.value.answer, destroyed: [] } }) : decided;
}

function fewer({ modRevision }: Basis, surplus: readonly Member[]): Decision<Scaling> {
  const units = surplus.map(({ name }) => ({ name, record: null, basis: modRevision(keys.unit(name)) }));
  return { plan: { units, files: new Map(), unchanged: [] }, answer: { started: [], destroyed: surplus.map(({ name }) => name) } };
}
