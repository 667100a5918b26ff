/** What an engine commits, as etcd itself tells it: nothing of fleet is asked, so that it may be dead. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Cluster } from './cluster.ts';

/** A revision of the store in which an engine decided something, and the id of the machine that led then. */
export interface EngineCommit {
  readonly revision: number;
  readonly leader: string;
  /** The revision in which it began to lead; 0 when it did before anybody looked. */
  readonly term: number;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const plain = (text: string): string => Buffer.from(text, 'base64').toString();

/** etcd's JSON gateway, as far as it is read here. */
interface WatchLine {
  readonly result?: { readonly events?: readonly { readonly kv: { readonly key: string; readonly value?: string; readonly mod_revision: string } }[] };
}

/** The commits from now on that changed releases or assignments; ends with the signal. */
export async function* engineCommits({ lab, etcd }: Cluster, leader: string, signal: AbortSignal): AsyncGenerator<EngineCommit> {
  const everything = { key: base64('/fleet/'), range_end: base64('/fleet0') };
  const [program = '', ...args] = [...lab.inHub, 'curl', '-sN', `${etcd.endpoint}/v3/watch`, '-d', JSON.stringify({ create_request: everything })];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], signal });
  child.on('error', () => undefined); // It is ended by the signal.
  let leading = { leader, term: 0 };
  let last = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    for (const { kv } of (JSON.parse(line) as WatchLine).result?.events ?? []) {
      const key = plain(kv.key);
      const revision = Number(kv.mod_revision);
      if (key.endsWith('/leader') && kv.value !== undefined) {
        leading = { leader: (JSON.parse(plain(kv.value)) as { readonly machine: string }).machine, term: revision };
      }
      if (!/\/(releases|assignments)\//.test(key) || revision === last) continue;
      last = revision;
      yield { revision, ...leading };
    }
  }
}
