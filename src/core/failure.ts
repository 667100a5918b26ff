/**
 * Failures a person can cause, as values: a code, an HTTP status, one line of text that names the offending input.
 * Promises: every code stands in this table and in docs/errors.md (a test compares them); bugs are thrown, never returned.
 */

/** Every failure code, the HTTP status that carries it, and what it means in general. */
export const failureTable = {
  UNIT_NAME_INVALID: { status: 400, text: 'not a unit name' },
  UNIT_FILE_INVALID: { status: 400, text: 'not a unit file' },
  UNIT_FILE_TOO_LARGE: { status: 400, text: 'the unit file is larger than the limit' },
  UNIT_OPTION_UNKNOWN: { status: 400, text: 'no such option in [X-Fleet]' },
  UNIT_OPTION_INVALID: { status: 400, text: 'the value of an option is wrong' },
  UNIT_OPTIONS_CONFLICT: { status: 400, text: 'two options of the unit exclude each other' },
  UNIT_NOT_FOUND: { status: 404, text: 'no such unit' },
  UNIT_IS_TEMPLATE: { status: 400, text: 'a template itself cannot be started' },
  TEMPLATE_NOT_FOUND: { status: 404, text: 'no such template' },
  TEMPLATE_INVALID: { status: 400, text: 'not a template of fleetctl render' },
  UNIT_DIFFERS: { status: 409, text: 'the unit exists with other content' },
  SERVICE_NOT_FOUND: { status: 404, text: 'no such service' },
  UNIT_NOT_LOADED: { status: 409, text: 'the unit is on no machine' },
  BRACES_INVALID: { status: 400, text: 'the brace expression is too large or malformed' },
  PATTERN_INVALID: { status: 400, text: 'not a glob pattern' },
  STATE_INVALID: { status: 400, text: 'not a desired state' },
  RELEASE_NOT_FOUND: { status: 404, text: 'there was no release of that unit' },
  RELEASE_NOT_ACTIVE: { status: 409, text: 'no release of that unit is under way' },
  GENERATION_NOT_FOUND: { status: 404, text: 'no such generation is kept' },
  REQUEST_INVALID: { status: 400, text: 'the request is malformed' },
  REQUEST_TOO_LARGE: { status: 413, text: 'the request is larger than the limit' },
  CONTENT_TYPE_INVALID: { status: 415, text: 'the body is not JSON' },
  METHOD_NOT_ALLOWED: { status: 405, text: 'the resource does not support the method' },
  RESOURCE_NOT_FOUND: { status: 404, text: 'no such resource' },
  PAGE_TOKEN_INVALID: { status: 400, text: 'the page token is malformed' },
  PORTS_INVALID: { status: 400, text: 'not a port range, or not a name of ports' },
  REBALANCE_NOT_FOUND: { status: 404, text: 'no rebalance goes on' },
  POOL_NOT_FOUND: { status: 404, text: 'no such pool of ports' },
  POOL_IN_USE: { status: 409, text: 'ports of the pool are given out' },
  POOL_OVERLAPS: { status: 409, text: 'the range overlaps that of another pool' },
  METADATA_INVALID: { status: 400, text: 'not a machine metadata entry' },
  MACHINE_PRESENT: { status: 409, text: 'the machine is here' },
  HOLD_NOT_FOUND: { status: 404, text: 'nothing is held' },
  MACHINE_NOT_FOUND: { status: 404, text: 'no such machine' },
  MACHINE_ID_TAKEN: { status: 409, text: 'another machine has the same id' },
  MACHINE_UNREACHABLE: { status: 502, text: 'the machine does not answer' },
  PEER_NOT_TRUSTED: { status: 403, text: 'the caller is not a machine of this cluster' },
  REVISION_COMPACTED: { status: 410, text: 'the event stream cannot be resumed from that revision' },
  STREAMS_EXHAUSTED: { status: 503, text: 'this fleetd serves as many streams as it may' },
  CONFLICT: { status: 409, text: 'somebody else changed the same thing; try again' },
  RECORD_UNREADABLE: { status: 500, text: 'a stored value cannot be understood' },
  BACKUP_INVALID: { status: 400, text: 'not a backup, or a broken one' },
  CLUSTER_NOT_EMPTY: { status: 409, text: 'the cluster has units' },
  RESTORE_RUNNING: { status: 503, text: 'a backup is being restored' },
  STORE_DOUBTED: { status: 503, text: 'the store is not the one that machines of the cluster know' },
  STORE_NEWER: { status: 503, text: 'a newer fleet has written the store' },
  UNITS_WOULD_STOP: { status: 409, text: 'units that run would be stopped' },
  STORE_UNAVAILABLE: { status: 503, text: 'fleet server unable to communicate with etcd' },
  CONFIG_INVALID: { status: 400, text: 'the configuration is wrong' },
  USAGE_INVALID: { status: 400, text: 'the command line is wrong' },
  ENDPOINT_INVALID: { status: 400, text: 'not an endpoint' },
  ENDPOINT_UNREACHABLE: { status: 503, text: 'the endpoint does not answer' },
} as const;

/** The name of a failure: a key of {@link failureTable}. */
export type FailureCode = keyof typeof failureTable;

/** A failure as data. `message` is one line, names the offending text and says what to do about it. */
export interface Failure {
  readonly code: FailureCode;
  readonly message: string;
}

/** Either a value or a failure; the caller has to look. */
export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: Failure };

/** Wraps a value as a successful result. */
export function success<T>(value: T): Result<T> {
  return { ok: true, value };
}

/** Makes a failed result; `message` defaults to the general text of the code. */
export function failure(code: FailureCode, message: string = failureTable[code].text): { readonly ok: false; readonly failure: Failure } {
  return { ok: false, failure: { code, message } };
}

/** Stops the process on a broken invariant: a bug of ours, never a user's mistake. Throws an Error with `message`. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}
