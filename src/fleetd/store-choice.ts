/**
 * Which store this machine uses.
 * Promises: a machine that has once belonged to an etcd cluster never falls back to a store of its own by itself, because it would then
 * start a second truth; the choice is made once at the start and said in one sentence.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { defaultEtcdServers } from '../config.ts';
import { absentAsEmpty, writeFileDurably } from '../host/identity.ts';

/** Longest wait for an etcd on this machine to answer. */
const probeTimeoutMs = 1_000;
/** In the data directory: the endpoints of the cluster this machine belongs to. */
const membershipFile = 'etcd-servers';

export type StoreChoice =
  | { readonly kind: 'etcd'; readonly endpoints: readonly string[]; readonly why: string }
  | { readonly kind: 'embedded'; readonly why: string };

/** Decides by configuration, then by what this machine belonged to before, then by whether an etcd answers here. */
export async function chooseStore(config: Config): Promise<StoreChoice> {
  if (config.store === 'embedded') return { kind: 'embedded', why: 'store=embedded is configured' };
  const file = join(config.dataDirectory, membershipFile);
  const remembered = (await readFile(file, 'utf8').catch(absentAsEmpty)).split('\n').filter((line) => line !== '');
  const choice = await chooseEtcd(config, remembered);
  if (choice.kind === 'etcd' && choice.endpoints.join('\n') !== remembered.join('\n')) {
    await mkdir(config.dataDirectory, { recursive: true });
    await writeFileDurably(file, `${choice.endpoints.join('\n')}\n`);
  }
  return choice;
}

async function chooseEtcd(config: Config, remembered: readonly string[]): Promise<StoreChoice> {
  if (config.etcdServers !== null) return { kind: 'etcd', endpoints: config.etcdServers, why: 'etcd_servers is configured' };
  if (config.store === 'etcd') return { kind: 'etcd', endpoints: defaultEtcdServers, why: 'store=etcd is configured' };
  if (remembered.length > 0) return { kind: 'etcd', endpoints: remembered, why: 'this machine has belonged to that cluster before' };
  for (const endpoint of defaultEtcdServers) {
    if (await etcdAnswers(endpoint)) return { kind: 'etcd', endpoints: [endpoint], why: 'an etcd answers there' };
  }
  return { kind: 'embedded', why: `no etcd_servers configured and none answers on ${defaultEtcdServers.join(' or ')}` };
}

/** Whether `GET /version` is answered as etcd does: with JSON that has `etcdserver`. */
function etcdAnswers(endpoint: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(`${endpoint}/version`, { timeout: probeTimeoutMs }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => { text = (text + chunk).slice(0, 4_096); });
      response.on('end', () => resolve(text.includes('"etcdserver"')));
      response.on('error', () => resolve(false));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}
