/**
 * What a request to forget failures changes: pure.
 * Promises: a unit that the cluster does not have, and a template, which never runs, refuse the whole request by name; of what is
 * wanted of the units nothing else changes.
 */
import { failure, success, type Failure, type Result } from '../../core/failure.ts';
import type { UnitRecord } from '../../core/unit.ts';
import { isTemplate, type UnitName } from '../../core/unit-name.ts';
import type { ResetUnit } from '../../protocol/v2.ts';
import { keys } from '../../store/keys.ts';
import { sayAll } from './decide.ts';
import type { Basis, Decision } from './decision.ts';

/** Whose failures are to be forgotten. */
export interface ResetWish {
  readonly names: readonly UnitName[];
  readonly by: string;
}

export function decideResetFailed(basis: Basis, { names, by }: ResetWish): Result<Decision<readonly ResetUnit[]>> {
  const { snapshot, modRevision, nowMs } = basis;
  const failures = names.flatMap((unit) => {
    const why = whyNot(basis, unit);
    return why === null ? [] : [{ unit, failure: why }];
  });
  if (failures.length > 0) return sayAll(failures);
  const units = names.flatMap((name) => {
    const before = snapshot.units.get(name);
    if (before === undefined) return [];
    // The moment of the change ends waits of the scheduler, as every wish of a person does.
    const record: UnitRecord = { ...before, reset: before.reset + 1, generation: before.generation + 1, changedAtMs: nowMs, changedBy: by };
    return [{ name, record, basis: modRevision(keys.unit(name)) }];
  });
  return success({
    plan: { units, files: new Map(), unchanged: [] },
    answer: units.map(({ name, record: { generation, reset } }) => ({ name, generation, reset })),
  });
}

function whyNot({ snapshot }: Basis, name: UnitName): Failure | null {
  if (!snapshot.units.has(name)) return failure('UNIT_NOT_FOUND', `${name} does not exist; "fleetctl list-unit-files" lists those that do`).failure;
  return isTemplate(name) ? failure('UNIT_IS_TEMPLATE', `${name} is a template, which never runs; name its instances`).failure : null;
}
