/**
 * Reads a cluster of fleet 1.0 out of etcd's API v2.
 * Promises: asks with quorum, so nothing is older than the question; reads only.
 */
import type { Caller } from '../../client/call.ts';
import { ApiError, Unreachable } from '../../client/errors.ts';
import { readLayout } from './etcd2-layout.ts';
import type { Etcd2Node } from './etcd2-layout.ts';
import type { OriginalCluster } from './original.ts';

/** etcd v2's error code for a key that is not there. */
const keyNotFound = 404;

/** Reads everything under `prefix`. Throws Unreachable when that is no etcd or holds no fleet. */
export async function readFromEtcd2(caller: Caller, prefix: string, signal: AbortSignal): Promise<OriginalCluster> {
  const root = `/${prefix.split('/').filter((part) => part !== '').join('/')}`;
  const read = (name: string): Promise<Etcd2Node | null> => readDirectory(caller, `${root}/${name}`, signal);
  // In this order: whatever a job names was there before it.
  const [machines, states, job, unit] = [await read('machines'), await read('states'), await read('job'), await read('unit')];
  if (machines === null && job === null)
    throw new Unreachable(`etcd keeps no cluster of fleet 1.0 under ${root}; name its prefix with --from-key-prefix`);
  return readLayout({ job, unit, states, machines });
}

async function readDirectory(caller: Caller, key: string, signal: AbortSignal): Promise<Etcd2Node | null> {
  const path = `/v2/keys${key.split('/').map(encodeURIComponent).join('/')}?recursive=true&sorted=true&quorum=true`;
  try {
    const { node } = await caller.json<{ readonly node?: Etcd2Node }>({ method: 'GET', path, changes: false }, signal);
    if (node === undefined) throw new Unreachable(`the answer to ${path} is not etcd's; is that the API v2 of an etcd?`);
    return node;
  } catch (error) {
    if (error instanceof ApiError && error.status === keyNotFound) return null;
    throw error;
  }
}

