/**
 * PATCH of machine metadata at run time.
 * Promises: every operation is checked before any is decided; operations of one request apply in their order.
 */
import type { MachineId, MachineOverride } from '../../core/machine.ts';
import { failure, success, type Result } from '../../core/failure.ts';
import { limits } from '../../core/limits.ts';
import type { OperationBody } from './body.ts';

/** A checked operation; `value` is null when the key is to be removed. */
export interface MetadataChange {
  readonly machine: MachineId;
  readonly key: string;
  readonly value: string | null;
}

/** fleet 1.0's pattern for keys; ids are those of machine-id(5) or of a configuration, so a store key can hold them. */
const pathPattern = /^\/([A-Za-z0-9_.:-]{1,128})\/metadata\/([A-Za-z0-9_.-]+)$/;

/** Machines one request may change: each takes a guard and a change of one commit. */
const machinesMax = Math.floor(limits.storeOpsPerCommitMax / 2);

/** Checks the operations of a request, with fleet 1.0's sentences. */
export function checkOperations(operations: readonly OperationBody[]): Result<readonly MetadataChange[]> {
  const changes: MetadataChange[] = [];
  for (const operation of operations) {
    const change = checkOperation(operation);
    if (!change.ok) return change;
    changes.push(change.value);
  }
  const machines = new Set(changes.map(({ machine }) => machine)).size;
  if (machines > machinesMax) {
    return failure(
      'REQUEST_TOO_LARGE',
      `the request changes ${machines} machines, the limit is ${machinesMax}; send several requests`,
    );
  }
  return success(changes);
}

function checkOperation({ op, path, value }: OperationBody): Result<MetadataChange> {
  if (op !== 'add' && op !== 'remove' && op !== 'replace') {
    return failure('METADATA_INVALID', 'invalid op: expect add, remove, or replace');
  }
  const [, machine, key] = pathPattern.exec(path) ?? [];
  if (machine === undefined || key === undefined) return failure('METADATA_INVALID', 'machine metadata path invalid');
  if (key.length > limits.metadataCharactersMax) {
    return failure('METADATA_INVALID', `machine metadata key longer than ${limits.metadataCharactersMax} characters`);
  }
  if (op === 'remove') return success({ machine: machine as MachineId, key, value: null });
  if (value === '') return failure('METADATA_INVALID', 'invalid value: add and replace require a value');
  if (value.length > limits.metadataCharactersMax) {
    return failure('METADATA_INVALID', `machine metadata value longer than ${limits.metadataCharactersMax} characters`);
  }
  return success({ machine: machine as MachineId, key, value });
}

/** The overrides of one machine after `changes`. Fails when they become too many. */
export function changeOverride(before: MachineOverride, changes: readonly MetadataChange[]): Result<MachineOverride> {
  const set = new Map(Object.entries(before.set));
  const removed = new Set(before.removed);
  for (const { key, value } of changes) {
    if (value === null) {
      set.delete(key);
      removed.add(key);
    } else {
      set.set(key, value);
      removed.delete(key);
    }
  }
  if (set.size + removed.size > limits.metadataPairsMax) {
    return failure('METADATA_INVALID', `more than ${limits.metadataPairsMax} metadata entries of one machine`);
  }
  return success({ ...before, set: Object.fromEntries(set), removed: [...removed] });
}
