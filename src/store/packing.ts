/**
 * How much goes into one commit.
 * Promises: what is packed here is within the limits that every store has (core/limits.ts), in the order it came.
 */
import { limits } from '../core/limits.ts';
import type { CommitChange } from './store.ts';

/** What a change counts for against limits.storeBytesPerCommitMax. */
export function bytesOfChange(change: CommitChange): number {
  return change.key.length + (change.kind === 'put' ? Buffer.byteLength(change.value) : 0);
}

/** Divides changes into portions that one commit can take each, beside guards that are within their own limit. */
export function packChanges(changes: readonly CommitChange[]): readonly (readonly CommitChange[])[] {
  const portions: { readonly changes: CommitChange[]; bytes: number }[] = [];
  for (const change of changes) {
    const bytes = bytesOfChange(change);
    const last = portions.at(-1);
    const fits = last !== undefined && last.changes.length < limits.storeOpsPerCommitMax
      && last.bytes + bytes <= limits.storeBytesPerCommitMax;
    const into = fits ? last : { changes: [], bytes: 0 };
    if (!fits) portions.push(into);
    into.changes.push(change);
    into.bytes += bytes;
  }
  return portions.map((portion) => portion.changes);
}
