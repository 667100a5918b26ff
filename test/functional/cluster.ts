/**
 * The cluster the functional tests share: four real systemd machines as in the user's document, one real etcd, the built executables.
 * Promises: booted once for all files of a run, taken down at its end; every test begins with all machines in the cluster and no unit. A cluster
 * that does not come to that is said, fails the run, and is booted anew: what one test has spoiled is no failure of the tests after it.
 */
import { rm } from 'node:fs/promises';
import { after } from 'node:test';
import { makeSharedFolder, sharedFolder } from './holder.ts';
import { until, type CommandResult } from './lab/command.ts';
import { startEtcd, type Etcd } from './lab/etcd.ts';
import { bootMachines } from './lab/fleet-machines.ts';
import { labCache, openLab, type Lab } from './lab/lab.ts';
import type { Machine } from './lab/machine.ts';

/** The machines of the user's document. */
export const members = [
  { name: 'm85', id: '336043c3dba3e566192154d0544f626d', address: '10.58.9.85' },
  { name: 'm83', id: '364cd1ff8ac5dc300e15c293544f7cec', address: '10.58.9.83' },
  { name: 'm86', id: '93499a83f33431a60235662254573164', address: '10.58.9.86' },
  { name: 'm82', id: 'e3583575125c30bdf50d4473544f7eba', address: '10.58.9.82' },
] as const;

export interface Cluster {
  readonly lab: Lab;
  readonly etcd: Etcd;
  /** A folder of the host that every machine sees as /shared. */
  readonly folder: string;
  readonly machines: readonly Machine[];
  machine(name: (typeof members)[number]['name']): Machine;
  /** Runs the built fleetctl on the first machine. */
  fleetctl(...args: readonly string[]): Promise<CommandResult>;
  /** A script in the home directory of the first machine, where unit files can be written; has to succeed. */
  sh(script: string): Promise<string>;
}

let shared: Promise<Cluster> | null = null;
let takeDown: (() => Promise<void>) | null = null;

/** Why the cluster had to be booted anew, and how often that is tried before every test fails at once. */
const spoiled: unknown[] = [];
const spoiledMax = 5;

// At the top of the module, so that it belongs to the run and not to the test that asked first.
after(async () => {
  await takeDown?.();
  if (spoiled.length > 0) throw new AggregateError(spoiled, `the shared cluster had to be booted anew: ${spoiled.map(String).join('; ')}`);
});

/** The shared cluster, emptied of units. */
export async function cluster(): Promise<Cluster> {
  try {
    return await readyCluster();
  } catch (error) {
    if (spoiled.length === spoiledMax) throw error;
    spoiled.push(error);
    process.stderr.write(`\nthe shared cluster is booted anew: ${String(error)}\n`);
    await takeDown?.();
    shared = null;
    return readyCluster();
  }
}

async function readyCluster(): Promise<Cluster> {
  shared ??= bootCluster();
  const ready = await shared;
  await allPresent(ready);
  await empty(ready);
  return ready;
}

/** The fleet.conf of a machine of the cluster. */
export const configuration = (address: string): string => [
  'etcd_servers=["http://10.58.0.1:2379"]', 'etcd_key_prefix=/fleet', `public_ip=${address}`, "metadata='role=default'", 'agent_ttl=5s', 'verbosity=1',
].join('\n');

async function bootCluster(): Promise<Cluster> {
  const lab = await openLab({ name: process.env['FLEET_TEST_LAB'] ?? 'ft', gateway: '10.58.0.1', cacheDirectory: labCache(process.env) });
  const etcd = await startEtcd(lab);
  const folder = await makeSharedFolder();
  takeDown = async () => {
    await etcd.crash();
    await lab.close();
    await etcd.remove();
    await rm(folder, { recursive: true, force: true });
  };
  const machines = await bootMachines(lab, members.map((member) => ({
    ...member, conf: configuration(member.address), binds: [[folder, sharedFolder, 'rw']] as const,
  })));
  await Promise.all(machines.map((machine) => machine.sh('systemctl start fleet.service')));
  const first = machines[0];
  if (first === undefined) throw new Error('no machine was booted');
  const made: Cluster = {
    lab, machines, etcd, folder,
    machine(name) {
      const found = machines.find((machine) => machine.name === name);
      if (found === undefined) throw new Error(`no machine ${name}`);
      return found;
    },
    fleetctl: (...args) => first.exec(['sh', '-c', 'cd /root && exec fleetctl "$@"', 'sh', ...args]),
    sh: (script) => first.sh(`cd /root; ${script}`),
  };
  await allPresent(made);
  return made;
}

async function allPresent(made: Cluster): Promise<void> {
  await until(async () => (await made.fleetctl('list-machines', '--no-legend')).stdout.trim().split('\n').length === members.length,
    async () => `all machines are in the cluster\n${await condition(made)}`);
}

async function empty(made: Cluster): Promise<void> {
  const names = (await made.fleetctl('list-unit-files', '--no-legend', '--fields=unit')).stdout.split('\n').filter((line) => line !== '');
  if (names.length > 0) await made.fleetctl('destroy', ...names);
  await until(async () => (await made.fleetctl('list-units', '--no-legend')).stdout.trim() === '',
    async () => `no unit is left\n${await condition(made)}`);
  await made.sh('rm -f /root/*.service /root/*.socket /root/*.timer');
}

/** What a person would look at first: the cluster as it says it is, and what each fleetd said last. */
async function condition(made: Cluster): Promise<string> {
  const [machines, units] = [await made.fleetctl('list-machines', '--all'), await made.fleetctl('list-units')];
  const names = units.stdout.split('\n').slice(1).map((line) => line.split(/\s/)[0] ?? '').filter((name) => name !== '').slice(0, 3);
  const explained = await Promise.all(names.map((name) => made.fleetctl('explain', name)));
  const journals = await Promise.all(made.machines.map(async (machine) =>
    `${machine.name}:\n${(await machine.exec(['journalctl', '-q', '-u', 'fleet', '-n', '25', '--no-pager', '-o', 'short-precise'])).stdout}`));
  return [machines, units, ...explained].map(({ stdout, stderr }) => stdout + stderr).concat(journals).join('');
}
