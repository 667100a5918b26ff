/**
 * Request bodies of API v1, read as fleet 1.0 reads them: names of fields in any letter case, null as if absent,
 * unknown fields ignored.
 * Promises: no text makes a reader throw; a failure names the field.
 */
import { failure, success, type Result } from '../../core/failure.ts';
import type { GivenOption } from '../../core/unit-file.ts';
import { kindOf, parseJson } from '../json.ts';

/** The fields of a unit that a client can set; absent ones are ''. */
export interface UnitBody {
  readonly name: string;
  readonly desiredState: string;
  readonly options: readonly GivenOption[];
}

/** One change of machine metadata, not yet checked. */
export interface OperationBody {
  readonly op: string;
  readonly path: string;
  readonly value: string;
}

export function readUnitBody(text: string): Result<UnitBody> {
  const json = parseJson(text);
  if (!json.ok) return failure('REQUEST_INVALID', `unable to decode body: ${json.failure.message}`);
  if (!isObject(json.value)) {
    return failure('REQUEST_INVALID', `unable to decode body: it is ${kindOf(json.value)}, should be an object`);
  }
  const name = stringField(json.value, 'name');
  const desiredState = stringField(json.value, 'desiredState');
  const options = optionsOf(fieldOf(json.value, 'options'));
  const wrong = [name, desiredState, options].find((field) => !field.ok);
  if (wrong?.ok === false) return failure('REQUEST_INVALID', `unable to decode body: ${wrong.failure.message}`);
  return success({ name: valueOr(name, ''), desiredState: valueOr(desiredState, ''), options: valueOr(options, []) });
}

export function readOperationBodies(text: string): Result<readonly OperationBody[]> {
  const json = parseJson(text);
  if (!json.ok) return json;
  if (!Array.isArray(json.value)) {
    return failure('REQUEST_INVALID', `the body is ${kindOf(json.value)}, should be a list of metadata operations`);
  }
  const operations: OperationBody[] = [];
  for (const [index, item] of json.value.entries()) {
    const operation = readOperation(item);
    if (!operation.ok) return failure('REQUEST_INVALID', `operation ${index}: ${operation.failure.message}`);
    operations.push(operation.value);
  }
  return success(operations);
}

function readOperation(item: unknown): Result<OperationBody> {
  if (!isObject(item)) return failure('REQUEST_INVALID', `it is ${kindOf(item)}, should be an object`);
  const given = fieldOf(item, 'value');
  // fleet 1.0 wants {"value":"x"} inside the field "value"; the plain text of RFC 6902 is taken, too.
  const value = isObject(given) ? stringField(given, 'value') : stringField(item, 'value');
  const op = stringField(item, 'op');
  const path = stringField(item, 'path');
  const wrong = [op, path, value].find((field) => !field.ok);
  if (wrong?.ok === false) return wrong;
  return success({ op: valueOr(op, ''), path: valueOr(path, ''), value: valueOr(value, '') });
}

function optionsOf(value: unknown): Result<readonly GivenOption[]> {
  if (value === undefined || value === null) return success([]);
  if (!Array.isArray(value)) return failure('REQUEST_INVALID', `"options" is ${kindOf(value)}, should be a list`);
  const options: GivenOption[] = [];
  for (const [index, item] of value.entries()) {
    if (!isObject(item)) return failure('REQUEST_INVALID', `option ${index} is ${kindOf(item)}, should be an object`);
    const [section, name, content] = [
      stringField(item, 'section'),
      stringField(item, 'name'),
      stringField(item, 'value'),
    ];
    const wrong = [section, name, content].find((field) => !field.ok);
    if (wrong?.ok === false) return failure('REQUEST_INVALID', `option ${index}: ${wrong.failure.message}`);
    options.push({ section: valueOr(section, ''), name: valueOr(name, ''), value: valueOr(content, '') });
  }
  return success(options);
}

function stringField(object: Readonly<Record<string, unknown>>, name: string): Result<string> {
  const value = fieldOf(object, name);
  if (value === undefined || value === null) return success('');
  return typeof value === 'string'
    ? success(value)
    : failure('REQUEST_INVALID', `"${name}" is ${kindOf(value)}, should be a string`);
}

function fieldOf(object: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(object, name)) return object[name];
  const other = Object.keys(object).find((key) => key.toLowerCase() === name.toLowerCase());
  return other === undefined ? undefined : object[other];
}

function valueOr<T>(result: Result<T>, fallback: T): T {
  return result.ok ? result.value : fallback;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
