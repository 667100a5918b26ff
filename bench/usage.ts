/** What the parts of a control plane have used so far, for bench/control-plane.ts: asked of /proc, of etcd's metrics and of the agents. */
import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { AgentsNews } from './simulated-agents.ts';

/** What one part has used since it began. */
export interface Usage {
  readonly cpuS: number;
  readonly rssMib: number;
}

/** The same of a process, with the most it ever had. */
export interface ProcessUsage extends Usage {
  readonly peakMib: number;
}

/** What etcd has done since it began. */
export interface EtcdUsage extends Usage {
  /** Requests, without those that ask for these figures. */
  readonly requests: number;
  /** Time it has waited for its disk. */
  readonly diskS: number;
}

const mib = 2 ** 20;

/** The sum of one figure of all processes of agents. */
export const sum = (news: readonly AgentsNews[], of: keyof AgentsNews): number => news.reduce((total, each) => total + each[of], 0);

/** Resident memory and CPU of a process, from /proc. */
export async function processUsage({ pid }: ChildProcess): Promise<ProcessUsage> {
  const status = await readFile(`/proc/${String(pid)}/status`, 'utf8');
  const stat = (await readFile(`/proc/${String(pid)}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  return { rssMib: kib('VmRSS') / 1_024, peakMib: kib('VmHWM') / 1_024, cpuS: (Number(stat[11]) + Number(stat[12])) / 100 };
}

export async function etcdUsage(endpoint: string): Promise<EtcdUsage> {
  const metrics = await (await fetch(`${endpoint}/metrics`)).text();
  const sumOf = (name: string): number =>
    [...metrics.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))].reduce((total, [, count]) => total + Number(count), 0);
  return {
    requests: sumOf('grpc_server_msg_received_total'), cpuS: sumOf('process_cpu_seconds_total'),
    diskS: sumOf('etcd_disk_wal_fsync_duration_seconds_sum') + sumOf('etcd_disk_backend_commit_duration_seconds_sum'),
    rssMib: sumOf('process_resident_memory_bytes') / mib,
  };
}

/** What all agents together have used. */
export function agentsUsage(news: readonly AgentsNews[]): Usage {
  return { cpuS: sum(news, 'cpuMs') / 1_000, rssMib: sum(news, 'rssBytes') / mib };
}
