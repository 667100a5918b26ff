/** Who leads and what engines commit, as etcd itself tells it: nothing of fleet is asked, so that it may be dead. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Cluster } from './cluster.ts';

/** `leads`: the machine leads from now on, under a lease of etcd. `commit`: an engine, or a person, has decided something about a release. */
export type Told =
  | { readonly kind: 'leads'; readonly machine: string; readonly lease: string }
  | { readonly kind: 'commit'; readonly revision: number };

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const plain = (text: string): string => Buffer.from(text, 'base64').toString();

/** etcd's JSON gateway, as far as it is read here. */
interface Entry {
  readonly key: string;
  readonly value?: string;
  readonly mod_revision: string;
  /** Decimal. */
  readonly lease?: string;
}
interface Listing {
  readonly header: { readonly revision: string };
  readonly kvs?: readonly Entry[];
}
interface WatchLine {
  readonly result?: { readonly events?: readonly { readonly kv: Entry }[] };
}

/** Who leads now, then leaders and commits of releases and assignments as they come; ends with the signal. */
export async function* engineCommits({ lab, etcd }: Cluster, signal: AbortSignal): AsyncGenerator<Told> {
  const found = await lab.hub(['curl', '-s', `${etcd.endpoint}/v3/kv/range`, '-d', JSON.stringify({ key: base64('/fleet/leader') })]);
  const { header, kvs = [] } = JSON.parse(found.stdout) as Listing;
  for (const entry of kvs) yield leads(entry);
  const everything = { key: base64('/fleet/'), range_end: base64('/fleet0'), start_revision: String(Number(header.revision) + 1) };
  const [program = '', ...args] = [...lab.inHub, 'curl', '-sN', `${etcd.endpoint}/v3/watch`, '-d', JSON.stringify({ create_request: everything })];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], signal });
  child.on('error', () => undefined); // It is ended by the signal.
  let last = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    for (const { kv } of (JSON.parse(line) as WatchLine).result?.events ?? []) {
      const key = plain(kv.key);
      const revision = Number(kv.mod_revision);
      if (key === '/fleet/leader' && kv.value !== undefined) yield leads(kv);
      if (!/\/(releases|assignments)\//.test(key) || revision === last) continue;
      last = revision;
      yield { kind: 'commit', revision };
    }
  }
}

function leads({ value = '', lease = '0' }: Entry): Told {
  const { machine } = JSON.parse(plain(value)) as { readonly machine: string };
  return { kind: 'leads', machine, lease: BigInt(lease).toString(16) };
}
