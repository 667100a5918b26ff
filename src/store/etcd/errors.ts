/**
 * What etcd's refusals and gRPC's failures mean to a caller of the store.
 * Promises: every failure becomes one line that names the endpoint, the reason and, where there is one, the way out.
 */
import { status } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { LeaseExpired, StoreCompacted, StoreUnavailable } from '../store.ts';

/** The errors a caller of the store may see. */
export type StoreError = StoreUnavailable | StoreCompacted | LeaseExpired;

interface Meaning {
  readonly makes: 'refusal' | 'unavailable' | 'compacted' | 'lease-expired';
  readonly text: string;
  readonly leave: Leave;
}

/** Whether to give the connection to a member up: it is of no use, or would only be exchanged for one to another member. */
export type Leave = 'no' | 'for another member' | 'if it may be dead' | 'yes';

const refusal = (text: string): Meaning => ({ makes: 'refusal', text, leave: 'no' });
const unavailable = (text: string): Meaning => ({ makes: 'unavailable', text, leave: 'no' });
const memberTrouble = (text: string): Meaning => ({ makes: 'unavailable', text, leave: 'yes' });
/** It answers, so the connection works: a member with much to do gets more of it from whoever connects anew. */
const memberSlow = (text: string): Meaning => ({ makes: 'unavailable', text, leave: 'for another member' });

/** What etcd answers (rpctypes/error.go of etcd 3.4 to 3.6), after its `etcdserver: ` in front. */
const meanings: Readonly<Record<string, Meaning>> = {
  'mvcc: required revision has been compacted': {
    makes: 'compacted', text: 'the history after that revision was compacted away', leave: 'no',
  },
  'requested lease not found': { makes: 'lease-expired', text: 'the lease has expired or was revoked', leave: 'no' },
  'mvcc: database space exceeded': refusal(
    'its database is full (alarm NOSPACE): compact and defragment it, then run "etcdctl alarm disarm"'),
  'too many requests': unavailable('it is overloaded (too many requests)'),
  'request is too large': refusal(
    'it refuses a request of this size: its --max-request-bytes is below the default of 1.5 MiB'),
  'too many operations in txn request': refusal(
    'it refuses so many operations at once: its --max-txn-ops is below the default of 128'),
  'authentication failed, invalid user ID or password': refusal('it refuses the user name or the password'),
  'user name is empty': refusal('it wants a user name and a password'),
  'permission denied': refusal('the user may not read and write under the key prefix'),
  'invalid auth token': unavailable('it does not take our token any more'),
  'revision of auth store is old': unavailable('its users were changed while it worked on the request'),
  'leader changed': unavailable('its leader changed while it worked on the request'),
  'no leader': memberTrouble('it has no leader (no quorum, or an election)'),
  'server stopped': memberTrouble('it is shutting down'),
  'request timed out': memberSlow('it had no quorum in time'),
  'corrupt cluster': memberTrouble('its data are corrupt (alarm CORRUPT)'),
};

/** etcd's words for a token it no longer takes; a new token helps, and the refused request has done nothing. */
const staleTokenTexts: ReadonlySet<string> = new Set(['invalid auth token', 'revision of auth store is old']);

/**
 * A canceled watch quotes the whole gRPC error: `rpc error: code = Unauthenticated desc = etcdserver: invalid auth
 * token`.
 */
const withoutFrame = (text: string): string => text.replace(/^(?:rpc error: code = \w+ desc = )?(?:etcdserver: )?/, '');
const etcdText = (error: ServiceError): string => withoutFrame(error.details);

/** Whether an error comes from gRPC, with a code and details. */
export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error;
}

/** Whether the request was refused only because the token has to be renewed. */
export function isStaleToken(error: unknown): boolean {
  return isServiceError(error) && staleTokenTexts.has(etcdText(error));
}

/** Whether the user needs no token because etcd asks nobody for one. */
export function isAuthenticationOff(error: unknown): boolean {
  return isServiceError(error) && etcdText(error) === 'authentication is not enabled';
}

function meaningOf(error: ServiceError): Meaning {
  const text = etcdText(error);
  const known = meanings[text];
  if (known !== undefined) return known;
  if (text.startsWith('request timed out')) return memberSlow(`it had no quorum in time (${text})`);
  if (error.code === status.DEADLINE_EXCEEDED) return { makes: 'unavailable', text: 'no answer in time', leave: 'if it may be dead' };
  if (error.code === status.UNAVAILABLE) return memberTrouble(`unreachable: ${connectionTrouble(text)}`);
  return unavailable(oneLine(text));
}

/** The operating system's or OpenSSL's words out of what gRPC wraps around them. */
function connectionTrouble(text: string): string {
  const inner = /Last error: (?:Error: )?(.*?)(?: \(\d{4}-\d\d-\d\dT[^)]*\))?\. Resolution note/s.exec(text)?.[1];
  return oneLine(inner ?? text);
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/**
 * What failed at an endpoint, and whether to leave that endpoint. Errors that are not gRPC's are bugs: returned as they
 * are.
 */
export function storeErrorOf(error: unknown, endpoint: string): { readonly error: Error; readonly leave: Leave } {
  if (!isServiceError(error)) return { error: error instanceof Error ? error : new Error(String(error)), leave: 'no' };
  const meaning = meaningOf(error);
  return { error: makeError(meaning.makes, `etcd at ${endpoint}: ${meaning.text}`, error), leave: meaning.leave };
}

/** Whether a watch was canceled for its token; etcd 3.4 says "permission denied" of a token that has run out, too. */
export function isStaleTokenReason(reason: string): boolean {
  const text = withoutFrame(reason);
  return staleTokenTexts.has(text) || text === 'permission denied';
}

/** The error for a watch that etcd canceled with a reason of its own. */
export function canceledWatchError(reason: string, endpoint: string): StoreError {
  const text = withoutFrame(reason);
  const quoted = text === '' ? 'no reason given' : oneLine(text);
  const meaning = meanings[text] ?? unavailable(`the watch was canceled: ${quoted}`);
  return makeError(meaning.makes, `etcd at ${endpoint}: ${meaning.text}`);
}

function makeError(makes: Meaning['makes'], message: string, cause?: unknown): StoreError {
  switch (makes) {
    case 'refusal': return new StoreUnavailable(message, { cause, refuses: true });
    case 'unavailable': return new StoreUnavailable(message, { cause });
    case 'compacted': return new StoreCompacted(message, { cause });
    case 'lease-expired': return new LeaseExpired(message, { cause });
  }
}
