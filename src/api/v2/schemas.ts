/**
 * What request bodies of API v2 may hold, as JSON schema, and what is said of those that do not.
 * Promises: every list and text is bounded; unknown fields are refused, because a misspelt one would be ignored
 * silently; a refusal is one line that names the field and what stands there.
 */
import type { FastifySchemaValidationError } from 'fastify/types/schema.js';
import { failure, type Failure } from '../../core/failure.ts';
import { limits } from '../../core/limits.ts';
import { desiredStates } from '../../core/unit.ts';
import { eventKinds } from '../events/filter.ts';
import { oneLine, shown } from '../json.ts';

/** Who asked, for the record: a user name, at most. */
const byCharactersMax = 256;

/** Who asks. */
export const byText: object = { type: 'string', maxLength: byCharactersMax };
const name = { type: 'string', minLength: 1 } as const;
/** A machine id of machine-id(5), or nothing. */
const machineOrNone = { type: 'string', pattern: '^([0-9a-f]{32})?$' } as const;
const revision = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const;
const names = { type: 'array', minItems: 1, maxItems: limits.unitsPerRequestMax, items: name } as const;

export const applySchema: object = {
  type: 'object',
  additionalProperties: false,
  required: ['units'],
  properties: {
    units: {
      type: 'array',
      minItems: 1,
      maxItems: limits.unitsPerRequestMax,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['name'],
        properties: { name, text: { type: 'string' }, templateText: { type: 'string' }, adoptOn: machineOrNone },
      },
    },
    desired: { type: 'string', enum: desiredStates },
    replace: { type: 'boolean' },
    restart: { type: 'boolean' },
    by: byText,
    lenient: { type: 'boolean' },
    dryRun: { type: 'boolean' },
  },
};

export const destroySchema: object = {
  type: 'object',
  additionalProperties: false,
  required: ['names'],
  properties: { names },
};

export const resetFailedSchema: object = {
  type: 'object',
  additionalProperties: false,
  required: ['names'],
  properties: { names, by: byText },
};

export const eventsSchema: object = {
  type: 'object',
  additionalProperties: false,
  properties: {
    units: names,
    services: names,
    kinds: { type: 'array', maxItems: eventKinds.length, items: { type: 'string', enum: eventKinds } },
    from: revision,
    atLeast: revision,
  },
};

export const restoreSchema: object = {
  type: 'object',
  additionalProperties: false,
  required: ['revision', 'tokenBase'],
  properties: {
    revision,
    tokenBase: revision,
    force: { type: 'boolean' },
    by: { type: 'string', maxLength: byCharactersMax },
  },
};

/** Keys are plain ASCII without control characters (store.ts). */
const entryKey = { type: 'string', minLength: 1, maxLength: 1_024, pattern: '^[\\x21-\\x7e]+$' } as const;

export const restoreEntriesSchema: object = {
  type: 'object',
  additionalProperties: false,
  required: ['restore', 'entries'],
  properties: {
    restore: revision,
    entries: {
      type: 'array',
      maxItems: limits.restoreEntriesMax,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['key', 'value'],
        properties: { key: entryKey, value: { type: 'string' } },
      },
    },
  },
};

export const restoreFinishSchema: object = {
  type: 'object',
  additionalProperties: false,
  required: ['restore'],
  properties: { restore: revision },
};

/** What is wrong with a body, from the first thing the schema found. `data` is what stood at its place. */
export function describeViolation([first]: readonly (FastifySchemaValidationError & {
  readonly data?: unknown;
})[]): Failure {
  if (first === undefined) return failure('REQUEST_INVALID').failure;
  const { keyword, params, data, message } = first;
  const field = first.instancePath === '' ? 'the body' : `"${oneLine(first.instancePath.slice(1))}"`;
  const parameter = (key: string): string => oneLine(String(params[key]));
  switch (keyword) {
    case 'required':
      return invalid(`${field} lacks the field "${parameter('missingProperty')}"`);
    case 'additionalProperties':
      return invalid(`${field} has an unknown field "${parameter('additionalProperty')}"`);
    case 'enum':
      return invalid(
        `${field} is ${shown(data)}, should be one of ${(params['allowedValues'] as readonly string[]).join(', ')}`,
      );
    case 'maxItems':
      return failure(
        'REQUEST_TOO_LARGE',
        `${field} has ${lengthOf(data)} items, the limit is ${parameter('limit')}; send several requests`,
      ).failure;
    case 'type':
      return invalid(`${field} is ${shown(data)}, should be of type ${parameter('type')}`);
    default:
      return invalid(`${field} is ${shown(data)}, it ${oneLine(message ?? keyword)}`);
  }
}

function invalid(message: string): Failure {
  return failure('REQUEST_INVALID', message).failure;
}

function lengthOf(data: unknown): number {
  return Array.isArray(data) ? data.length : 0;
}
