/**
 * What the nemesis torments: three real systemd machines with fleet, three real etcd members, one folder of the host seen by all machines.
 * Promises: everything is gone after close(); machines know only etcd's addresses, as in a real cluster.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { must, until, type CommandResult } from '../functional/lab/command.ts';
import { bootMachines } from '../functional/lab/fleet-machines.ts';
import { labCache, openLab, type Lab } from '../functional/lab/lab.ts';
import type { Machine } from '../functional/lab/machine.ts';
import { makeFolders } from './holder.ts';
import { firstFiles, folderInMachine } from './templates.ts';

const members = [
  { name: 'n1', id: '10000000000000000000000000000001', address: '10.58.7.1' },
  { name: 'n2', id: '20000000000000000000000000000002', address: '10.58.7.2' },
  { name: 'n3', id: '30000000000000000000000000000003', address: '10.58.7.3' },
] as const;
const etcdAddresses = ['10.58.0.1', '10.58.0.2', '10.58.0.3'] as const;
const endpoints = etcdAddresses.map((address) => `http://${address}:2379`);
/** Debian's libfaketime, by which the clock of fleetd alone can be moved: the host's clock is everybody's. */
const fakeClockFolder = '/usr/lib/x86_64-linux-gnu/faketime';
/** What the clock of fleetd on a machine is ahead of the host's, as libfaketime reads it. */
export const fakeClockFile = '/run/fleet-clock';

/** One etcd process that can be harmed. */
export interface EtcdMember {
  readonly address: string;
  pid(): number;
  pause(): void;
  resume(): void;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts it with its data; does not wait for a quorum. */
  start(): void;
  isHealthy(): Promise<boolean>;
}

export interface World {
  readonly lab: Lab;
  readonly machines: readonly Machine[];
  readonly etcd: readonly EtcdMember[];
  /** The folder of the host with locks, heartbeats and overlaps. */
  readonly folder: string;
  /** Machine that leads, as the store says; null when it does not answer or nobody leads. */
  leader(): Promise<Machine | null>;
  /** Runs fleetctl on a machine, bounded. */
  fleetctl(machine: Machine, ...args: readonly string[]): Promise<CommandResult>;
  /** Waits until every machine that has power has renewed its lease: /readyz says so. */
  renewed(): Promise<void>;
  /** Waits until all machines and etcd members are well again. */
  whole(): Promise<void>;
  close(): Promise<void>;
}

const configuration = (address: string): string => [
  `etcd_servers=${JSON.stringify(endpoints)}`, 'etcd_key_prefix=/fleet', `public_ip=${address}`, 'agent_ttl=5s', 'mass_loss_hold=15s', 'verbosity=1',
].join('\n');

const fakeClock = [
  '[Service]', `ExecStartPre=/bin/sh -c 'test -e ${fakeClockFile} || echo +0 >${fakeClockFile}'`,
  'Environment=LD_PRELOAD=/opt/faketime/libfaketimeMT.so.1 FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_CACHE_DURATION=1',
  `Environment=FAKETIME_TIMESTAMP_FILE=${fakeClockFile}`, '',
].join('\n');

/** Boots it all; every machine has joined when this returns. */
export async function openWorld(name: string): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'fleet-nemesis-'));
  await makeFolders(folder);
  const lab = await openLab({ name, gateway: etcdAddresses[0], cacheDirectory: labCache(process.env) });
  for (const address of etcdAddresses.slice(1)) await must([...lab.inHub, 'ip', 'addr', 'add', `${address}/16`, 'dev', 'fleet0']);
  const etcd = etcdAddresses.map((address, index) => etcdMember(lab, { address, index, directory: join(folder, `etcd-${index}`) }));
  for (const member of etcd) member.start();
  const units = [...firstFiles].map(([name, text]) => [`root/${name}`, text] as const);
  const machines = await bootMachines(lab, members.map((member) => ({
    ...member, conf: configuration(member.address), binds: [[folder, folderInMachine, 'rw'], [fakeClockFolder, '/opt/faketime', 'ro']],
    files: { 'etc/systemd/system/fleet.service.d/clock.conf': fakeClock, ...Object.fromEntries(units) },
  })));
  const world: World = {
    lab, machines, etcd, folder,
    async leader() {
      const found = await lab.hub(['etcdctl', `--endpoints=${endpoints.join(',')}`, '--command-timeout=2s', 'get', '/fleet/leader', '--print-value-only'],
        { env: { ...process.env, ETCDCTL_API: '3' } });
      return machines.find(({ id }) => found.stdout.includes(id)) ?? null;
    },
    fleetctl: (machine, ...args) => machine.exec(['sh', '-c', 'cd /root && exec timeout 10 fleetctl "$@"', 'sh', ...args], { timeoutMs: 15_000 }),
    async renewed() {
      const ready = 'curl -s -m 2 --unix-socket /run/fleet.sock http://fleet/readyz';
      for (const machine of machines) {
        await until(async () => !(await machine.running()) || (await machine.exec(['sh', '-c', ready])).stdout === 'ok\n',
          async () => `${machine.name} is ready: ${(await machine.exec(['sh', '-c', ready])).stdout}`, 90_000);
      }
    },
    async whole() {
      for (const member of etcd) await until(() => member.isHealthy(), `etcd ${member.address} is healthy`, 60_000);
      for (const machine of machines) {
        await until(async () => (await world.fleetctl(machine, 'list-machines', '--no-legend')).stdout.trim().split('\n').length === members.length,
          async () => `${machine.name} sees all machines: ${await machine.sh('journalctl -u fleet -n 30 --no-pager')}`, 90_000);
      }
    },
    async close() {
      for (const member of etcd) await member.kill();
      await lab.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  await Promise.all(machines.map((machine) => machine.sh('systemctl enable --now fleet.service')));
  await world.whole();
  return world;
}

function etcdMember(lab: Lab, { address, index, directory }: { address: string; index: number; directory: string }): EtcdMember {
  const peer = (at: string): string => `http://${at}:2380`;
  const [program = '', ...args] = [...lab.inHub, 'etcd', '--name', `e${index}`, '--data-dir', directory, '--log-level', 'error',
    '--listen-client-urls', `http://${address}:2379`, '--advertise-client-urls', `http://${address}:2379`,
    '--listen-peer-urls', peer(address), '--initial-advertise-peer-urls', peer(address),
    '--initial-cluster', etcdAddresses.map((at, number) => `e${number}=${peer(at)}`).join(',')];
  let child: ChildProcess | null = null;
  return {
    address,
    pid: () => child?.pid ?? 0,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    async kill() {
      if (child === null || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      child = null;
    },
    start() {
      child = spawn(program, args, { stdio: 'ignore' });
    },
    isHealthy: async () => (await lab.hub(['curl', '-sf', '-m', '2', `http://${address}:2379/health`])).stdout.includes('true'),
  };
}
