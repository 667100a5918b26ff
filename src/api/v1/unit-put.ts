/**
 * PUT of a unit in API v1: create it, replace its content, or change its state.
 * Promises: fleet 1.0's sentences and statuses; a state it does not know is refused, while fleet 1.0 stored it and
 * could never read the unit again.
 */
import { failure, success, type Result } from '../../core/failure.ts';
import { printUnitFile, unitFileFromOptions } from '../../core/unit-file.ts';
import { desiredStates, type DesiredState } from '../../core/unit.ts';
import { isTemplate, parseUnitName, type UnitName } from '../../core/unit-name.ts';
import type { Basis, Decision } from '../write/decision.ts';
import { decideApplyOne } from '../write/decide.ts';
import type { UnitBody } from './body.ts';

/** A request that makes sense by itself. */
export interface UnitPut {
  readonly name: UnitName;
  /** Canonical text; null when the request has no options. */
  readonly text: string | null;
  readonly desired: DesiredState | null;
}

/** Whether the content is new, which API v1 tells by the status. */
export interface PutAnswer {
  readonly isNewContent: boolean;
}

/** Checks all that does not depend on the cluster. `name` is the one of the path. */
export function checkUnitPut(name: string, body: UnitBody): Result<UnitPut> {
  if (body.name !== '' && body.name !== name) {
    return failure(
      'REQUEST_INVALID',
      `name in URL ${JSON.stringify(name)} differs from unit name in request body ${JSON.stringify(body.name)}`,
    );
  }
  const parts = parseUnitName(name);
  if (!parts.ok) return parts;
  const desired = desiredStates.find((state) => state === body.desiredState) ?? null;
  if (desired === null && body.desiredState !== '') {
    return failure(
      'STATE_INVALID',
      `invalid desired state ${JSON.stringify(body.desiredState)}: expect ${desiredStates.join(', ')}`,
    );
  }
  if (body.options.length === 0) return success({ name: parts.value.name, text: null, desired });
  const file = unitFileFromOptions(body.options);
  return file.ok ? success({ name: parts.value.name, text: printUnitFile(file.value), desired }) : file;
}

/** Decides what the request does to the cluster as it is. */
export function decideUnitPut(basis: Basis, { name, text, desired }: UnitPut): Result<Decision<PutAnswer>> {
  const before = basis.snapshot.units.get(name);
  if (before === undefined && text === null) return failure('CONFLICT', 'unit does not exist and options field empty');
  if (isTemplate(name) && desired !== null && desired !== 'inactive') {
    return failure('UNIT_IS_TEMPLATE', `cannot activate template "${name}"`);
  }
  const decided = decideApplyOne(basis, {
    units: [{ name, ...(text === null ? {} : { text }) }],
    ...(desired === null ? {} : { desired }),
    replace: 'always',
    restart: false,
    lenient: true,
    by: 'API v1',
  });
  if (!decided.ok) return decided;
  const isNewContent = decided.value.answer[0]?.content !== 'same';
  if (!isNewContent && desired === null) {
    return failure('CONFLICT', 'must provide DesiredState to update existing unit');
  }
  return success({ plan: decided.value.plan, answer: { isNewContent } });
}
