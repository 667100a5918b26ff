/**
 * One real etcd beside the machines of a lab, on the lab's gateway, with the troubles it can have.
 * Promises: it keeps its data over a crash; remove() leaves nothing behind.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run, until } from './command.ts';
import type { Lab } from './lab.ts';

/** The store of a cluster. */
export interface Etcd {
  /** Where it listens, as machines of the lab reach it. */
  readonly endpoint: string;
  /** It neither answers nor refuses, until resume(). */
  pause(): void;
  resume(): void;
  /** Ends it as a crash does; start() brings it back with its data. */
  crash(): Promise<void>;
  start(): Promise<void>;
  /** What etcdctl prints; throws what it says when it fails. */
  ctl(...words: readonly string[]): Promise<string>;
  /** Writes a snapshot of its data to a file, which it answers with. */
  snapshot(): Promise<string>;
  /** While it is down: puts its data aside, so that it starts empty, or with a snapshot. */
  lose(snapshot?: string): Promise<void>;
  /** While it is down: brings back what lose() has put aside. */
  find(): Promise<void>;
  /** Takes its data away; to be called when it does not run. */
  remove(): Promise<void>;
}

/** Starts an etcd with an empty database; it is healthy when this returns. */
export async function startEtcd(lab: Lab): Promise<Etcd> {
  // In memory like the disks of the machines: another program that writes a lot would have etcd wait for the host's disk.
  const directory = await mkdtemp(join(lab.place.directory, 'etcd-'));
  const endpoint = `http://${lab.gateway}:2379`;
  const [program = '', ...args] = [...lab.inHub, 'etcd', '--data-dir', directory, '--listen-client-urls', endpoint,
    '--advertise-client-urls', endpoint, '--listen-peer-urls', 'http://127.0.0.1:2380', '--log-level', 'error'];
  let child: ChildProcess | null = null;
  const [aside, saved] = [`${directory}.aside`, `${directory}.snapshot`];
  const ctl = async (...words: readonly string[]): Promise<string> => {
    const done = await run([...lab.inHub, 'env', 'ETCDCTL_API=3', 'etcdctl', `--endpoints=${endpoint}`, ...words]);
    if (done.code !== 0) throw new Error(`etcdctl ${words.join(' ')}: ${done.stderr}`);
    return done.stdout;
  };
  const etcd: Etcd = {
    endpoint,
    ctl,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    async crash() {
      const dying = child;
      child = null;
      if (dying === null || dying.exitCode !== null || dying.signalCode !== null) return;
      const gone = once(dying, 'exit');
      dying.kill('SIGKILL');
      await gone;
    },
    async start() {
      child = spawn(program, args, { stdio: 'ignore' });
      await until(async () => (await run([...lab.inHub, 'curl', '-sf', `${endpoint}/health`])).stdout.includes('true'), 'etcd is healthy');
    },
    async snapshot() {
      await rm(saved, { force: true });
      await ctl('snapshot', 'save', saved);
      return saved;
    },
    async lose(snapshot?: string) {
      await rm(aside, { recursive: true, force: true });
      await rename(directory, aside);
      if (snapshot !== undefined) await ctl('snapshot', 'restore', snapshot, '--data-dir', directory);
    },
    async find() {
      await rm(directory, { recursive: true, force: true });
      await rename(aside, directory);
    },
    async remove() {
      for (const path of [directory, aside, saved]) await rm(path, { recursive: true, force: true });
    },
  };
  await etcd.start();
  return etcd;
}
