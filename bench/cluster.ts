/**
 * The cluster that is measured: three real systemd machines, one real etcd beside them, the built executables; and the same machines
 * with systemd alone.
 * Promises: a measure begins with all machines in the cluster and no unit; every wait is bounded; close() leaves nothing behind.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../test/functional/lab/command.ts';
import { startEtcd, type Etcd } from '../test/functional/lab/etcd.ts';
import { bootMachines } from '../test/functional/lab/fleet-machines.ts';
import { labCache, openLab, type Lab } from '../test/functional/lab/lab.ts';
import type { Machine } from '../test/functional/lab/machine.ts';
import { root } from './measure.ts';

const members = [
  { name: 'b1', id: 'b1000000000000000000000000000001', address: '10.58.6.1' },
  { name: 'b2', id: 'b2000000000000000000000000000002', address: '10.58.6.2' },
  { name: 'b3', id: 'b3000000000000000000000000000003', address: '10.58.6.3' },
] as const;
/** agent_ttl of the machines. */
export const ttlMs = 5_000;
/** Longest that a script in a machine may take. */
const scriptMsMax = 180_000;

/** When something began and ended, by the clock that all machines share with the host: milliseconds since 1970. */
export interface Span {
  readonly beganMs: number;
  readonly endedMs: number;
}

export interface BenchCluster {
  readonly lab: Lab;
  readonly etcd: Etcd;
  readonly machines: readonly Machine[];
  /** The machine where people type. */
  readonly first: Machine;
  /** Waits until all machines are in the cluster, and takes all units away. */
  empty(): Promise<void>;
  /** Does something while no fleetd runs: with systemd alone. */
  withoutFleet<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const configuration = (endpoint: string, address: string): string => [
  `etcd_servers=["${endpoint}"]`, 'etcd_key_prefix=/fleet', `public_ip=${address}`, `agent_ttl=${ttlMs / 1_000}s`, 'verbosity=0', '',
].join('\n');

export async function bootCluster(): Promise<BenchCluster> {
  if (!existsSync(join(root, 'dist/fleetd'))) throw new Error('no dist/fleetd: npm run build');
  const lab = await openLab({ name: 'bn', gateway: '10.58.0.1', cacheDirectory: labCache(process.env) });
  const etcd = await startEtcd(lab);
  const machines = await bootMachines(lab, members.map((member) => ({ ...member, conf: configuration(etcd.endpoint, member.address) })));
  const [first] = machines;
  if (first === undefined) throw new Error('no machine was booted');
  const present = async (): Promise<void> => {
    await until(async () => (await first.exec(['fleetctl', 'list-machines', '--no-legend'])).stdout.trim().split('\n').length === members.length,
      async () => `all machines are in the cluster: ${await first.sh('journalctl -u fleet -n 30 --no-pager')}`, 60_000);
  };
  const startFleet = async (): Promise<void> => {
    await Promise.all(machines.map((machine) => machine.sh('systemctl start fleet.service')));
    await present();
  };
  await startFleet();
  return {
    lab, etcd, machines, first,
    async empty() {
      await present();
      const names = (await first.sh('fleetctl list-unit-files --no-legend --fields=unit')).split('\n').filter((line) => line !== '');
      if (names.length > 0) await first.exec(['xargs', 'fleetctl', 'destroy'], { input: names.join('\n'), timeoutMs: scriptMsMax });
      await until(async () => (await first.sh('fleetctl list-units --no-legend')).trim() === '', 'no unit is left', 120_000);
      await first.sh('rm -f /root/*.service');
    },
    async withoutFleet(work) {
      await Promise.all(machines.map((machine) => machine.sh('systemctl stop fleet.service fleet.socket')));
      try {
        return await work();
      } finally {
        await startFleet();
      }
    },
    async close() {
      await etcd.crash();
      await lab.close();
      await etcd.remove();
    },
  };
}

/** Runs a script in a machine, which has to succeed, and answers when it began and ended there: the way into the machine does not count. */
export async function timed(machine: Machine, script: string): Promise<Span> {
  const around = `cd /root; began=$EPOCHREALTIME; { ${script}\n} >/tmp/bench.out 2>&1; code=$?; ended=$EPOCHREALTIME
    if [ $code != 0 ]; then tail -n 3 /tmp/bench.out; exit $code; fi; echo $began $ended`;
  const { code, stdout: output, stderr } = await machine.exec(['bash', '-c', around], { timeoutMs: scriptMsMax });
  if (code !== 0) throw new Error(`${script.split('\n')[0] ?? ''} ended with ${code}: ${stderr}${output}`);
  const [beganMs = NaN, endedMs = NaN] = output.trim().split(' ').map((seconds) => Number(seconds) * 1_000);
  return { beganMs, endedMs };
}

export const tookMs = ({ beganMs, endedMs }: Span): number => endedMs - beganMs;

/** How long scripts take that run on several machines at once: from the first beginning to the last end. */
export async function timedOnAll(machines: readonly Machine[], script: (index: number) => string): Promise<number> {
  const spans = await Promise.all(machines.map((machine, index) => timed(machine, script(index))));
  return Math.max(...spans.map(({ endedMs }) => endedMs)) - Math.min(...spans.map(({ beganMs }) => beganMs));
}

/** The unit that is measured: one process that does nothing. */
export const sleeper = '[Service]\nExecStart=/bin/sleep infinity\n';

/** Puts a unit file where fleetctl finds it. */
export async function writeUnit(machine: Machine, name: string, text: string = sleeper): Promise<void> {
  await machine.exec(['sh', '-c', `cat >/root/${name}`], { input: text });
}
